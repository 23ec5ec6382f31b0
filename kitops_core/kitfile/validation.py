"""What can be wrong with a Kitfile before anyone looks at its files."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from kitops_core.errors import KitfileError
from kitops_core.kitfile.data import KitfileData
from kitops_core.kitfile.entries import clean_path, is_modelkit_reference

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_DRIVE = re.compile(r"[A-Za-z]:[/\\]")
_S3 = re.compile(r"s3://[^/]+/.+")
_PART_TYPE = re.compile(r"\w[\w.-]*", re.ASCII)
_PART_TYPE_MAX = 64


def check_kitfile(kitfile: KitfileData, where: str = "Kitfile") -> None:
    """Check all that can be checked before a pack without looking at the files; ``where`` names it in errors.

    Raises:
        KitfileError: Names every problem.
    """
    problems = find_problems(kitfile)
    if problems:
        raise KitfileError(where, problems, hint="paths are relative to the context directory and stay inside it")


def find_problems(kitfile: KitfileData) -> list[str]:
    """Every problem that keeps a Kitfile from being packed, one sentence each, in the Kitfile's order."""
    problems = []
    users: dict[str, list[str]] = {}
    for address, section, entry in kitfile.all_entries():
        path = entry.get("path", "")
        users.setdefault(clean_path(path), []).append(address)
        if section != "model" or not is_modelkit_reference(path):
            problem = path_problem(path)
            if problem:
                problems.append(f"{address}: the path '{path}' {problem}")
    problems += [
        f"{', '.join(addresses[:-1])} and {addresses[-1]} use the same path '{path}'"
        for path, addresses in users.items()
        if len(addresses) > 1
    ]
    for index, part in enumerate(kitfile.model.get("parts") or ()):
        kind = part.get("type", "")
        if kind and (len(kind) > _PART_TYPE_MAX or not _PART_TYPE.fullmatch(kind)):
            problems.append(
                f"model.parts[{index}]: the type '{kind}' must be up to {_PART_TYPE_MAX} letters, digits, "
                "'_', '.' and '-', starting with a letter, digit or '_'"
            )
    for index, dataset in enumerate(kitfile.values.get("datasets") or ()):
        problems += [f"datasets[{index}]: {problem}" for problem in _remote_problems(dataset)]
    return problems + _server_problems(kitfile)


def path_problem(path: str) -> str:
    """What is wrong with a path in a kit, as the rest of a sentence, or an empty string."""
    if "\0" in path:
        return "has a NUL character"
    if path.startswith("/") or _DRIVE.match(path):
        return "is absolute; write it relative to the context directory"
    if _URL.match(path):
        return "is a URL; only files in the context directory can be packed"
    if "\\" in path:
        return "has a backslash; write '/' between directories"
    if clean_path(path).split("/")[0] == "..":
        return "leads out of the context directory"
    if is_modelkit_reference(path):
        return "reads as a ModelKit reference, which only model.path may be; rename the file"
    return ""


def _remote_problems(dataset: Mapping[str, Any]) -> list[str]:
    path, given_hash = dataset.get("remote_path"), dataset.get("remote_hash")
    if not path:
        return ["remoteHash is given without remotePath"] if given_hash else []
    problems = []
    if is_modelkit_reference(path):
        return []
    if not _S3.fullmatch(path):
        problems.append(f"remotePath '{path}' must be s3://bucket/key")
    if not given_hash:
        problems.append("remotePath needs a remoteHash (the object's ETag)")
    return problems


def _server_problems(kitfile: KitfileData) -> list[str]:
    problems = []
    names: dict[str, str] = {}
    for index, server in enumerate(kitfile.values.get("mcp_servers") or ()):
        address = f"mcpServers[{index}]"
        path, name = server.get("path", ""), server.get("name", "")
        if not path.endswith(".mcpb"):
            problems.append(f"{address}: the path '{path}' must be one .mcpb file")
        if not name:
            problems.append(f"{address}: a name is needed")
        elif name in names:
            problems.append(f"{names[name]} and {address} have the same name '{name}'")
        else:
            names[name] = address
    return problems
