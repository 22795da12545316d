"""
A stand-in for an account of Azure Batch and for Entra's token service, over real HTTP or TLS.

There is no emulator. This answers in their place, for the genuine SDK: pools, and their nodes that were
taken back; jobs, created; tasks, created, got, listed by state, terminated; the files that a task has
written; and tokens. Every request is verified: a shared key by its signature, a token by having been
issued here. The fields of a task are those of the SDK's own models. Tasks run their command as a process of this machine, as long as their
pool has slots, and are queued again when their node is taken back, as those of spot nodes are. It shows
requests and their answers, not the behaviour of the cloud itself.

    python azure_batch_server.py PORT LEDGER --account NAME=KEY --pool NAME=SLOTS ... [--tls CERTIFICATE]

Beside Azure's own paths, ``POST /stand-in/preempt/TASK`` takes a task's node back.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import hmac
import json
import re
import secrets
import shlex
import shutil
import tempfile
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from azure.batch import models
from containers import Container
from serving import serve_until_ended

_TASK = re.compile(
    r"^/jobs/(?P<job>[^/]+)/tasks/(?P<task>[^/]+)(?P<verb>/terminate|/files/[^/]+)?$"
)
_TASKS = re.compile(r"^/jobs/(?P<job>[^/]+)/tasks$")
_POOL = re.compile(r"^/pools/(?P<pool>[^/]+)$")
_NODES = re.compile(r"^/pools/(?P<pool>[^/]+)/nodes$")
_ID = re.compile(r"^[A-Za-z0-9_-]{1,64}$")
_STATES = re.compile(r"^state eq '(\w+)'( or state eq '(\w+)')*$")
_SIGNED = (
    "content-encoding", "content-language", "content-length", "content-md5", "content-type", "date",
    "if-modified-since", "if-match", "if-none-match", "if-unmodified-since", "range",
)  # fmt: skip
_CLOCKS_S = 900
_BEGINS_ANEW_S = 0.5


class RefusedError(Exception):
    def __init__(self, status: int, code: str, message: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.body = {"code": code, "message": {"lang": "en-US", "value": message or code}}


def fields(model: Any) -> set[str]:
    """The JSON names of what a model of the SDK has."""
    found = {name: f for name, f in vars(model).items() if type(f).__name__ == "_RestField"}
    return {f._rest_name_input or name for name, f in found.items()}


_FIELDS = {
    "": fields(models.BatchTaskCreateOptions),
    "containerSettings": fields(models.BatchTaskContainerSettings),
    "constraints": fields(models.BatchTaskConstraints),
}


class Task:
    """A task with the only container that it has at a time."""

    def __init__(self, body: dict[str, Any], pool: str, output: Path) -> None:
        self.body = body
        self.pool = pool
        self.output = output
        self.state = "active"
        self.info: dict[str, Any] = {"requeueCount": 0, "retryCount": 0}
        self.container: Container | None = None
        self.generation = 0

    @property
    def slots(self) -> int:
        return int(self.body.get("requiredSlots", 1))

    def shown(self, selected: str | None) -> dict[str, Any]:
        told = {**self.body, "state": self.state, "executionInfo": self.info}
        return {key: told[key] for key in selected.split(",")} if selected else told


class Account:
    """Pools, jobs and tasks."""

    def __init__(self, name: str, key: str, pools: Mapping[str, int], ledger: Path) -> None:
        self.name, self.key = name, base64.b64decode(key)
        self.free = dict(pools)
        self.jobs: dict[str, str] = {}
        self.tasks: dict[tuple[str, str], Task] = {}
        self.tokens: set[str] = set()
        # Nodes that were taken back stay in their pool; others do their work.
        self.preempted: list[tuple[str, dict[str, str]]] = []
        self.ledger = ledger
        self.folder = Path(tempfile.mkdtemp(prefix="azure-batch-"))
        self.lock = threading.RLock()

    def create_job(self, body: dict[str, Any]) -> None:
        pool = body["poolInfo"]["poolId"]
        with self.lock:
            if pool not in self.free:
                raise RefusedError(409, "PoolNotFound", f"there is no pool {pool}")
            if not _ID.match(body["id"]):
                raise RefusedError(400, "InvalidPropertyValue", "id")
            if body["id"] in self.jobs:
                raise RefusedError(409, "JobExists")
            self.jobs[body["id"]] = pool

    def create_task(self, job: str, body: dict[str, Any]) -> None:
        with self.lock:
            self._check(job, body)
            output = self.folder / body["id"]
            self.tasks[job, body["id"]] = Task(body, self.jobs[job], output)
            with self.ledger.open("a") as ledger:
                ledger.write(json.dumps({"job": job, "pool": self.jobs[job], "task": body}) + "\n")
            self._schedule()

    def find(self, job: str, task: str) -> Task:
        found = self.tasks.get((job, task))
        if found is None:
            raise RefusedError(404, "TaskNotFound" if job in self.jobs else "JobNotFound")
        return found

    def page(self, job: str, asked: Mapping[str, str]) -> dict[str, Any]:
        if job not in self.jobs:
            raise RefusedError(404, "JobNotFound")
        wanted = asked.get("$filter", "")
        if wanted and not _STATES.match(wanted):
            raise RefusedError(400, "InvalidQueryParameterValue", wanted)
        states = set(re.findall(r"'(\w+)'", wanted))
        with self.lock:
            found = [
                task.shown(asked.get("$select"))
                for (of, _), task in self.tasks.items()
                if of == job and (not states or task.state in states)
            ]
        return {"value": found}

    def terminate(self, task: Task) -> None:
        with self.lock:
            if task.state == "completed":
                raise RefusedError(409, "TaskCompleted")
            container, ran = task.container, task.state == "running"
            failure = {"category": "UserError", "code": "TaskEnded", "message": "terminated"}
            self._complete(task, {"result": "failure", "failureInfo": failure}, ran=ran)
        if container is not None:
            container.stop()

    def preempt(self, task_id: str) -> None:
        with self.lock:
            (task,) = [each for (_, name), each in self.tasks.items() if name == task_id]
            assert task.container is not None
            task.generation += 1
            task.state, task.info["requeueCount"] = "active", task.info["requeueCount"] + 1
            self.free[task.pool] += task.slots
            at = datetime.now(UTC).isoformat().replace("+00:00", "Z")
            node = {"id": f"tvm-{len(self.preempted)}", "state": "preempted"}
            self.preempted.append((task.pool, {**node, "stateTransitionTime": at}))
            task.container.kill()
        threading.Timer(_BEGINS_ANEW_S, self._schedule).start()

    def pool(self, name: str) -> dict[str, Any]:
        if name not in self.free:
            raise RefusedError(404, "PoolNotFound")
        return {"id": name, "state": "active"}

    def nodes(self, pool: str, asked: Mapping[str, str]) -> dict[str, Any]:
        self.pool(pool)
        if asked.get("$filter") != "state eq 'preempted'":
            raise RefusedError(400, "InvalidQueryParameterValue", asked.get("$filter", ""))
        selected = asked["$select"].split(",")
        with self.lock:
            return {
                "value": [{k: one[k] for k in selected} for of, one in self.preempted if of == pool]
            }

    def _check(self, job: str, body: dict[str, Any]) -> None:
        if job not in self.jobs:
            raise RefusedError(404, "JobNotFound")
        for place, known in _FIELDS.items():
            unknown = set(body.get(place, {}) if place else body) - known
            if unknown:
                raise RefusedError(400, "InvalidRequestBody", f"{place} has no {sorted(unknown)}")
        if not _ID.match(body["id"]) or not body["commandLine"]:
            raise RefusedError(400, "InvalidPropertyValue", "id or commandLine")
        if not body.get("containerSettings", {}).get("imageName"):
            raise RefusedError(400, "MissingRequiredProperty", "containerSettings.imageName")
        if (job, body["id"]) in self.tasks:
            raise RefusedError(409, "TaskExists")

    def _schedule(self) -> None:
        with self.lock:
            for task in self.tasks.values():
                if task.state == "active" and task.slots <= self.free[task.pool]:
                    self.free[task.pool] -= task.slots
                    self._run(task)

    def _run(self, task: Task) -> None:
        task.state = "running"
        task.generation += 1
        settings = task.body.get("environmentSettings", [])
        environment = {each["name"]: each["value"] for each in settings}
        worker = {"WORKER_GROUP": f"azure-{task.pool}"}
        of = task.generation
        task.container = Container(
            shlex.split(task.body["commandLine"]),
            {**environment, **worker},
            task.output,
            lambda status: self._ended(task, of, status),
        )

    def _ended(self, task: Task, generation: int, status: int) -> None:
        with self.lock:
            if task.generation != generation or task.state != "running":
                return
            told: dict[str, Any] = {"result": "success", "exitCode": status}
            if status:
                failure = {"category": "UserError", "code": "FailureExitCode"}
                told = {"result": "failure", "exitCode": status, "failureInfo": failure}
            self._complete(task, told, ran=True)

    def _complete(self, task: Task, told: dict[str, Any], *, ran: bool) -> None:
        task.state = "completed"
        task.info |= told
        if ran:
            self.free[task.pool] += task.slots
            self._schedule()


class Api(BaseHTTPRequestHandler):
    """One request."""

    protocol_version = "HTTP/1.1"
    account: Account
    base = ""

    def do_GET(self) -> None:
        self._answer()

    def do_HEAD(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def log_message(self, *_: Any) -> None:
        pass

    def _answer(self) -> None:
        raw = self.rfile.read(int(self.headers.get("content-length") or 0))
        headers: dict[str, str] = {}
        try:
            status, said = self._said(raw, headers)
        except RefusedError as error:
            status, said = error.status, error.body
        body = said if isinstance(said, bytes) else json.dumps(said).encode()
        self.send_response(status)
        headers.setdefault("content-type", "application/json")
        headers.setdefault("content-length", str(len(body)))
        for key, value in headers.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command != "HEAD" and status != 204:
            self.wfile.write(body)

    def _said(self, raw: bytes, headers: dict[str, str]) -> tuple[int, Any]:
        path = urlsplit(self.path).path
        if path.endswith("/.well-known/openid-configuration"):
            return 200, self._openid(path.split("/")[1])
        if path.endswith("/oauth2/v2.0/token"):
            return 200, self._token({k: v[-1] for k, v in parse_qs(raw.decode()).items()})
        if path.startswith("/stand-in/preempt/"):
            self.account.preempt(path.rpartition("/")[2])
            return 200, {}
        self._authenticate(raw)
        return self._said_to_a_known_caller(path, json.loads(raw or b"{}"), headers)

    def _said_to_a_known_caller(
        self, path: str, body: Any, headers: dict[str, str]
    ) -> tuple[int, Any]:
        account = self.account
        asked = {key: values[-1] for key, values in parse_qs(urlsplit(self.path).query).items()}
        if found := _POOL.match(path):
            return 200, account.pool(found["pool"])
        if found := _NODES.match(path):
            return 200, account.nodes(found["pool"], asked)
        if path == "/jobs" and self.command == "POST":
            return 201, account.create_job(body) or b""
        if found := _TASKS.match(path):
            if self.command == "POST":
                return 201, account.create_task(found["job"], body) or b""
            return 200, account.page(found["job"], asked)
        if found := _TASK.match(path):
            return self._of_task(account.find(found["job"], found["task"]), found["verb"], headers)
        raise RefusedError(404, "ResourceNotFound", path)

    def _of_task(self, task: Task, verb: str | None, headers: dict[str, str]) -> tuple[int, Any]:
        if verb == "/terminate":
            self.account.terminate(task)
            return 204, b""
        if verb is None:
            asked = parse_qs(urlsplit(self.path).query)
            return 200, task.shown(asked.get("$select", [None])[-1])
        if task.container is None:
            raise RefusedError(409, "OperationInvalidForCurrentState", "the task has no node")
        # What a process prints is one file here; docker would keep them apart.
        said = task.output.read_bytes() if verb == "/files/stdout.txt" else b""
        headers |= {
            "ocp-batch-file-url": self.path,
            "ocp-batch-file-isdirectory": "false",
            "ocp-batch-file-mode": "0o100644",
            "ocp-creation-time": "Sat, 28 Nov 2026 00:00:00 GMT",
            "last-modified": "Sat, 28 Nov 2026 00:00:00 GMT",
            "content-type": "text/plain",
        }
        if self.command == "HEAD":
            headers["content-length"] = str(len(said))
            return 200, b""
        begin, _, end = (
            self.headers.get("ocp-range", "bytes=0-").removeprefix("bytes=").partition("-")
        )
        return 200, said[int(begin) : int(end) + 1 if end else None]

    def _authenticate(self, raw: bytes) -> None:
        said = self.headers.get("authorization", "")
        if said.startswith("Bearer ") and said.removeprefix("Bearer ") in self.account.tokens:
            return
        if hmac.compare_digest(said, f"SharedKey {self.account.name}:{self._signature(raw)}"):
            return
        raise RefusedError(
            401, "AuthenticationFailed", "neither a known token nor the account's key"
        )

    def _signature(self, raw: bytes) -> str:
        """As "Authentication via Shared Key" of the service's documentation has it."""
        headers = {key.lower(): value for key, value in self.headers.items()}
        told = parsedate_to_datetime(headers.get("ocp-date", "Thu, 01 Jan 1970 00:00:00 GMT"))
        if abs((datetime.now(UTC) - told).total_seconds()) > _CLOCKS_S:
            raise RefusedError(403, "AuthenticationFailed", "the request is too old")
        if self.command not in ("GET", "HEAD"):
            headers["content-length"] = str(len(raw))
        lines = [self.command, *(headers.get(name, "") for name in _SIGNED)]
        lines += [f"{k}:{v}" for k, v in sorted(headers.items()) if k.startswith("ocp-") and v]
        url = urlsplit(self.path)
        lines.append(f"/{self.account.name}{url.path}")
        lines += [f"{key}:{values[0]}" for key, values in sorted(parse_qs(url.query).items())]
        signed = hmac.new(self.account.key, "\n".join(lines).encode(), hashlib.sha256)
        return base64.b64encode(signed.digest()).decode()

    def _openid(self, tenant: str) -> dict[str, str]:
        return {
            "issuer": f"{self.base}/{tenant}/v2.0",
            "authorization_endpoint": f"{self.base}/{tenant}/oauth2/v2.0/authorize",
            "token_endpoint": f"{self.base}/{tenant}/oauth2/v2.0/token",
        }

    def _token(self, form: Mapping[str, str]) -> dict[str, Any]:
        known = (form.get("client_id"), form.get("client_secret")) == ("airflow", "hush")
        if not known or not form["scope"].startswith("https://batch.core.windows.net/"):
            raise RefusedError(401, "invalid_client")
        token = secrets.token_urlsafe(16)
        self.account.tokens.add(token)
        return {"token_type": "Bearer", "expires_in": 3600, "access_token": token}


def main() -> None:
    """Serve until ended."""
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("ledger", type=Path)
    parser.add_argument("--account", required=True)
    parser.add_argument("--pool", action="append", required=True)
    parser.add_argument("--tls", type=Path)
    given = parser.parse_args()
    name, _, key = given.account.partition("=")
    pools = {pool.partition("=")[0]: int(pool.partition("=")[2]) for pool in given.pool}
    Api.account = Account(name, key, pools, given.ledger)
    Api.base = f"{'https' if given.tls else 'http'}://127.0.0.1:{given.port}"
    serve_until_ended(given.port, Api, given.tls)
    for task in Api.account.tasks.values():
        if task.container is not None:
            task.container.kill()
    shutil.rmtree(Api.account.folder, ignore_errors=True)


if __name__ == "__main__":
    main()
