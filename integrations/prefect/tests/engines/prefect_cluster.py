"""A Prefect server on PostgreSQL, and machines that share nothing: what docs/cluster.md shows.

The token service of the registry is a fake, all else is what a user would run.
"""

from __future__ import annotations

import json
import re
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest
from databases import postgres
from fault_proxy import FaultProxy, fault_proxy
from machines import Machine, machines
from prefect.client.orchestration import SyncPrefectClient
from readme import snippet
from registry_fixture import PASSWORD, USERNAME, free_port, scratch_directory
from s3_server import BUCKET, S3Server, s3_server
from token_server import serve_token_registry

import kitops_core as kitops

FILE = "docs/cluster.md"
SHARDS = [f"shard-{number}.bin" for number in range(12)]
WAIT_SECONDS = 400
T = TypeVar("T")


@dataclass
class Cluster:
    """What runs.

    Attributes:
        machines: ``server``, which has Prefect's server and runs flows, and the workers ``one`` and ``two``.
        replaced: What stands in the docs, and what it is here.
    """

    machines: dict[str, Machine]
    proxy: FaultProxy
    s3: S3Server
    client: kitops.Client
    replaced: dict[str, str]

    @property
    def api(self) -> SyncPrefectClient:
        """A client of the server."""
        return SyncPrefectClient(f"{self.replaced['http://prefect.example.com:4200']}/api")

    @property
    def workers(self) -> list[Machine]:
        """The machines that do the work."""
        return [self.machines["one"], self.machines["two"]]

    def here(self, name: str) -> str:
        """A snippet of the docs with the addresses of here."""
        return self.replace(snippet(name, FILE))

    def replace(self, text: str) -> str:
        """A text with the addresses of here."""
        for old, new in self.replaced.items():
            text = text.replace(old, new)
        return text

    def write(self, **files: str) -> None:
        """Write Python modules to every machine, as an image has them."""
        for machine in self.machines.values():
            for name, text in files.items():
                (machine.work / f"{name}.py").write_text(text)

    def wait(self, condition: Callable[[], T | None], problem: str) -> T:
        """Until there is something; gives it."""
        deadline = time.monotonic() + WAIT_SECONDS
        while True:
            found = condition()
            if found:
                return found
            if time.monotonic() > deadline:
                pytest.fail(f"{problem}:\n{self.logs()}", pytrace=False)
            time.sleep(0.5)

    def logs(self) -> str:
        """The end of what each machine said."""
        return "\n".join(f"{machine.name}: {machine.log[-4000:]}" for machine in self.machines.values())

    def run(self, code: str) -> str:
        """Run a line of Python on the server's machine; gives the last line that it printed."""
        return self.machines["server"].run("python", "-c", code).splitlines()[-1]

    def ran(self, task: str) -> dict[str, str]:
        """The runs of tasks whose names match and that ended well, each with the worker whose log says so."""
        ended = re.compile(rf"({task})' - Finished in state Completed\(\)")
        found = {}
        for worker in self.workers:
            logs = [
                worker.root / "log",
                *worker.root.glob("ray/session_*/logs/worker-*"),
            ]  # Ray's workers have own ones
            for log in logs:
                found |= dict.fromkeys(ended.findall(log.read_text(errors="replace")), worker.name)
        return found

    def events(self, resource: str, event: str) -> list[dict[str, Any]]:
        """The events of this kind about a resource."""
        body = {"filter": {"resource": {"id": [resource]}, "event": {"name": [event]}}, "limit": 50}
        with self.api as api:
            return list(api.request("POST", "/events/filter", json=body).json()["events"])

    def shards(self, folder: Path) -> str:
        """Put the shards into the object store, and pack them here; the digest of that."""
        for shard in SHARDS:
            data = shard.encode() * 10_000
            (folder / shard).write_bytes(data)
            self.s3.fs().pipe_file(f"{BUCKET}/cluster/large/{shard}", data)
        return self.client.pack(folder, "large:1.0", kitfile=self.machines["one"].work / "large.Kitfile").digest


@contextmanager
def prefect_cluster() -> Iterator[Cluster]:
    """The server, and workers on which nothing runs yet."""
    first, *others = SHARDS
    model = {"path": first, "parts": [{"path": other} for other in others]}
    kitfile = json.dumps({"manifestVersion": "1.0.0", "package": {"name": "large"}, "model": model})
    with ExitStack() as stack:
        # Not below pytest's folder: the paths of Ray's sockets have room for a hundred letters.
        root = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="kitops-", dir=scratch_directory())))
        served = stack.enter_context(serve_token_registry())
        proxy = stack.enter_context(fault_proxy(served.address))
        s3 = stack.enter_context(s3_server())
        registries = kitops.Registries({proxy.address: kitops.RegistryOptions(username=USERNAME, password=PASSWORD)})
        replaced = {
            "http://prefect.example.com:4200": f"http://127.0.0.1:{free_port()}",
            "prefect@postgres.example.com/prefect": stack.enter_context(postgres()),
            "registry.example.com/ml": f"{proxy.address}/ml",
            "registry.example.com": proxy.address,
            'username="ci"': f'username="{USERNAME}"',
            "s3://scratch": f"s3://{BUCKET}/cluster",
        }
        quiet = {
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "DO_NOT_TRACK": "1",
            "RAY_USAGE_STATS_ENABLED": "0",
            # What serves the first client imports all of Ray, which takes longer than half a minute on a cold disk.
            "RAY_CLIENT_SERVER_CHECK_CHANNEL_TIMEOUT_S": "120",
            "PREFECT_WORKER_QUERY_SECONDS": "2",
        }
        own = stack.enter_context(machines(root, "server", "one", "two", environment={**s3.environment, **quiet}))
        client = stack.enter_context(kitops.Client(registries=registries))
        cluster = Cluster(own, proxy, s3, client, replaced)
        for machine in own.values():
            machine.environment["PYTHONPATH"] = str(machine.here / "work")
            (machine.work / "large.Kitfile").write_text(kitfile)
            (machine.work / "prefect.toml").write_text(cluster.here("prefect_toml"))
        server = own["server"]
        with (server.work / "prefect.toml").open("a") as toml:
            toml.write(cluster.here("prefect_toml_server"))
        address = replaced["http://prefect.example.com:4200"].rpartition("/")[2]
        host, _, port = address.partition(":")
        server.start("prefect", "server", "start", "--host", host, "--port", port)
        with cluster.api as api:
            cluster.wait(lambda: api.api_healthcheck() is None, "Prefect's server does not start")
        server.environment["REGISTRY_PASSWORD"] = PASSWORD
        server.run("python", "-c", cluster.here("prefect_blocks"))
        yield cluster
