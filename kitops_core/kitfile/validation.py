"""What can be wrong with a Kitfile before anyone looks at its files."""

from __future__ import annotations

import re

from kitops_core.errors import KitfileError
from kitops_core.kitfile.entries import clean_path, is_modelkit_reference
from kitops_core.kitfile.model import Dataset, Kitfile

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_DRIVE = re.compile(r"[A-Za-z]:[/\\]")
_S3 = re.compile(r"s3://[^/]+/.+")
_PART_TYPE = re.compile(r"\w[\w.-]*", re.ASCII)
_PART_TYPE_MAX = 64


def check_kitfile(kitfile: Kitfile, where: str = "Kitfile") -> None:
    """Check all that can be checked before a pack without looking at the files; ``where`` names it in errors.

    Raises:
        KitfileError: Names every problem.
    """
    problems = find_problems(kitfile)
    if problems:
        raise KitfileError(where, problems, hint="paths are relative to the context directory and stay inside it")


def find_problems(kitfile: Kitfile) -> list[str]:
    """Every problem that keeps a Kitfile from being packed, one sentence each, in the Kitfile's order."""
    problems = []
    users: dict[str, list[str]] = {}
    for address, section, entry in kitfile.all_entries():
        users.setdefault(clean_path(entry.path), []).append(address)
        if section != "model" or not is_modelkit_reference(entry.path):
            problem = path_problem(entry.path)
            if problem:
                problems.append(f"{address}: the path '{entry.path}' {problem}")
    problems += [
        f"{', '.join(addresses[:-1])} and {addresses[-1]} use the same path '{path}'"
        for path, addresses in users.items()
        if len(addresses) > 1
    ]
    if kitfile.model is not None:
        for index, part in enumerate(kitfile.model.parts):
            if part.type and (len(part.type) > _PART_TYPE_MAX or not _PART_TYPE.fullmatch(part.type)):
                problems.append(
                    f"model.parts[{index}]: the type '{part.type}' must be up to {_PART_TYPE_MAX} letters, digits, "
                    "'_', '.' and '-', starting with a letter, digit or '_'"
                )
    for index, dataset in enumerate(kitfile.datasets):
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


def _remote_problems(dataset: Dataset) -> list[str]:
    if not dataset.remote_path:
        return ["remoteHash is given without remotePath"] if dataset.remote_hash else []
    problems = []
    if not _S3.fullmatch(dataset.remote_path):
        problems.append(f"remotePath '{dataset.remote_path}' must be s3://bucket/key")
    if not dataset.remote_hash:
        problems.append("remotePath needs a remoteHash (the object's ETag)")
    return problems


def _server_problems(kitfile: Kitfile) -> list[str]:
    problems = []
    names: dict[str, str] = {}
    for index, server in enumerate(kitfile.mcp_servers):
        address = f"mcpServers[{index}]"
        if not server.path.endswith(".mcpb"):
            problems.append(f"{address}: the path '{server.path}' must be one .mcpb file")
        if not server.name:
            problems.append(f"{address}: a name is needed")
        elif server.name in names:
            problems.append(f"{names[server.name]} and {address} have the same name '{server.name}'")
        else:
            names[server.name] = address
    return problems
