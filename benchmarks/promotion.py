"""What a promotion costs: requests and bytes within a registry, memory between two."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from fault_proxy import delay, fault_proxy
from referrers_server import referrers_server
from registry_fixture import serve_registry
from request_chain import in_a_row

from benchmarks.measure import Run, run

MIB = 1024**2
ROUND_TRIP = 0.03
PASSWORD = {"COSIGN_PASSWORD": "of the benchmark only"}


class Project:
    """A kit of four layers, with provenance, a test result and a signature, in the channel ``dev`` of a registry.

    Attributes:
        directory: Where its files are.
        kit: ``registry/repository``.
    """

    def __init__(self, directory: Path, kitops: str, registry: str, size: int) -> None:
        self.directory = directory
        self.kit = f"{registry}/ml/churn"
        self._kitops = kitops
        bundle = directory / "bundle"
        bundle.mkdir(parents=True)
        for name in ("model.bin", "train.bin"):
            with (bundle / name).open("wb") as out:
                for _ in range(max(1, size // 2 // MIB)):
                    out.write(os.urandom(MIB))
        (bundle / "train.py").write_text("print('train')\n")
        (bundle / "README.md").write_text("# churn\n")
        (bundle / "Kitfile").write_text(
            "manifestVersion: 1.0.0\npackage: {name: churn}\nmodel: {path: model.bin}\n"
            "datasets: [{path: train.bin}]\ncode: [{path: train.py}]\ndocs: [{path: README.md}]\n"
        )
        dev = f"{self.kit}:dev"
        self.run("generate-key-pair", "--output-key-prefix", "release")
        self.run("pack", str(bundle), "--tag", dev, "--push", "--metric", "accuracy=0.9", "--sign-key", "release.key")
        self.run("sign", dev, "--sign-key", "release.key", "--remote")

    def command(self, *arguments: str) -> list[str]:
        """Our command, in the project's directory, with the password of its keys."""
        settings = [f"{name}={value}" for name, value in PASSWORD.items()]
        home = str(self.directory / "home")
        return ["env", "-C", str(self.directory), *settings, self._kitops, "--config", home, *arguments]

    def run(self, *arguments: str) -> None:
        """Run our command."""
        subprocess.run(self.command(*arguments), check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def promote(self, registry: str, target: str) -> list[str]:
        """The command that promotes into ``target``, which asks for the signature; ``registry`` is where ``dev`` is."""
        (self.directory / "promotion.yaml").write_text(
            f"kit: {registry}/ml/churn\nchannels:\n  dev: {{}}\n"
            f"  prod: {{from: dev, target: '{target}', gates: [{{signed: {{key: release.pub}}}}]}}\n"
        )
        return self.command("promote", "--to", "prod", "--sign-key", "release.key")


def count(project: Project, registry: str, repository: str) -> tuple[int, int, int]:
    """Promote within a registry: how many requests, how many of them in a row, how many bytes of layers went to it."""
    with fault_proxy(registry) as proxy:
        proxy.every = delay(ROUND_TRIP)
        run(project.promote(proxy.address, f"{proxy.address}/{repository}"))
        uploads = [len(seen.body) for seen in proxy.seen if "/blobs/uploads/" in seen.path]
        return len(proxy.seen), in_a_row(proxy.seen), sum(size for size in uploads if size >= MIB)


def within(work: Path, kitops: str, registry: str, size: int) -> dict[str, tuple[int, int, int]]:
    """Requests, requests in a row and layer bytes of promotions within one registry, by what was promoted where.

    The registry with the referrers API is the tests' own fake, whose promotions are counted only, and not timed.
    """
    costs: dict[str, tuple[int, int, int]] = {}
    with referrers_server() as fake:
        for name, address, bytes_ in (("fallback tag", registry, size), ("referrers API", fake.address, 2 * MIB)):
            project = Project(work / name.replace(" ", "-"), kitops, address, bytes_)
            costs[f"same repository, {name}"] = count(project, address, "ml/churn:prod")
            costs[f"other repository, {name}"] = count(project, address, "ml/prod:prod")
            shutil.rmtree(project.directory)
    return costs


def between(work: Path, kitops: str, registry: str, size: int) -> Run:
    """Promote between two registries; all bytes pass through. Unsigned, for opening a key takes 64 MiB by itself."""
    project = Project(work / "between", kitops, registry, size)
    with serve_registry() as target:
        return run(project.promote(registry, f"{target.address}/ml/prod:prod")[:-2])
