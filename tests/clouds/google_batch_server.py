"""
A stand-in for Google Cloud Batch, Cloud Logging and Google's token service, over real HTTP.

There is no emulator. This answers in their place, for the genuine SDK: create, get, list (filter by
labels, newest first, pages), cancel and tasks of jobs; entries of logs; and a token for whoever signs
with a known key. What a client sends is held to Google's own description of the API, ids and labels to
its documentation. Jobs run their container's command as a process of this machine, with its exit
status, and are taken back as spot machines are. It shows requests and their answers, not the behaviour
of the cloud itself.

    python google_batch_server.py PORT KEY LEDGER [--out-of-stock MACHINE_TYPE]

Beside Google's own paths, ``POST /stand-in/preempt/JOB`` takes a job's machine back.
"""

from __future__ import annotations

import argparse
import json
import re
import secrets
import shutil
import tempfile
import threading
import time
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
from containers import Container
from google_description import description, mistakes
from serving import serve_until_ended

_JOBS = re.compile(r"^/v1/(?P<parent>projects/[^/]+/locations/(?P<region>[^/]+))/jobs$")
_JOB = re.compile(
    r"^/v1/(?P<name>projects/[^/]+/locations/[^/]+/jobs/[^/:]+)(?P<verb>:cancel|/taskGroups/group0/tasks)?$"
)
_ID = re.compile(r"^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$")
_LABEL = re.compile(r"^[a-z0-9_-]{0,63}$")
_LABEL_KEY = re.compile(r"^[a-z][a-z0-9_-]{0,62}$")
_TERM = re.compile(r'^labels\.([a-z][a-z0-9_-]*)="([^"]*)"$')
_ENTRIES = re.compile(
    r'^logName="projects/[^/]+/logs/batch_task_logs" AND labels\.job_uid="([^"]+)"$'
)
_PREEMPTED = 50001
_SCHEDULED_S = 0.2
_OVER = {"SUCCEEDED", "FAILED", "CANCELLED"}


class RefusedError(Exception):
    def __init__(self, code: int, status: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.body = {"error": {"code": code, "status": status, "message": message}}


def now() -> str:
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")


class Job:
    """A job with its only task and its only container."""

    def __init__(self, name: str, region: str, body: dict[str, Any], folder: Path) -> None:
        uid = f"{name.rpartition('/')[2]}-{secrets.token_hex(4)}"
        self.body = {**body, "name": name, "uid": uid, "createTime": now()}
        self.body["status"] = {"state": "QUEUED", "statusEvents": []}
        self.region = region
        self.output = folder / uid
        self.task_state, self.exit_code = "PENDING", 0
        self.preempted = False
        self.container: Container | None = None
        self.lock = threading.Lock()

    @property
    def state(self) -> str:
        return str(self.body["status"]["state"])

    def to(self, state: str, why: str = "") -> None:
        told = f"Job state is set from {self.state} to {state} for job {self.body['name']}.{why}"
        event = {"type": "STATUS_CHANGED", "description": told, "eventTime": now()}
        self.body["status"]["state"] = state
        self.body["status"]["statusEvents"].append(event)

    def run(self) -> None:
        self.to("SCHEDULED")
        time.sleep(_SCHEDULED_S)
        with self.lock:
            if self.state != "SCHEDULED":
                return
            self.to("RUNNING")
            self.task_state = "RUNNING"
            spec = self.body["taskGroups"][0]["taskSpec"]
            environment = spec.get("environment", {}).get("variables", {})
            command = spec["runnables"][0]["container"]["commands"]
            worker = {"WORKER_GROUP": f"google-{self.region}"}
            self.container = Container(command, {**environment, **worker}, self.output, self.ended)

    def ended(self, status: int) -> None:
        with self.lock:
            self.exit_code = _PREEMPTED if self.preempted else status
            if self.state == "CANCELLATION_IN_PROGRESS":
                self.task_state = "FAILED"
                self.to("CANCELLED")
            elif self.exit_code == 0:
                self.task_state = "SUCCEEDED"
                self.to("SUCCEEDED")
            else:
                self.task_state = "FAILED"
                self.to("FAILED", f" Job failed due to task failure, exit code {self.exit_code}.")
            self.body["status"]["taskGroups"] = {"group0": {"counts": {self.task_state: "1"}}}

    def cancel(self) -> None:
        with self.lock:
            if self.state in _OVER:
                raise RefusedError(400, "FAILED_PRECONDITION", f"job is in state {self.state}")
            if self.container is None:
                self.to("CANCELLED")
                return
            self.to("CANCELLATION_IN_PROGRESS")
        self.container.stop()

    def tasks(self) -> dict[str, Any]:
        event: dict[str, Any] = {
            "type": "STATUS_CHANGED",
            "eventTime": now(),
            "taskState": self.task_state,
            "description": f"Task state is updated to {self.task_state}",
        }
        if self.task_state == "FAILED":
            event["taskExecution"] = {"exitCode": self.exit_code}
        status = {"state": self.task_state, "statusEvents": [event]}
        return {
            "tasks": [{"name": f"{self.body['name']}/taskGroups/group0/tasks/0", "status": status}]
        }


class Cloud:
    """All jobs of all regions."""

    def __init__(self, key: dict[str, Any], ledger: Path, out_of_stock: str | None) -> None:
        self.key = key
        self.ledger = ledger
        self.out_of_stock = out_of_stock
        self.jobs: dict[str, Job] = {}
        self.tokens: set[str] = set()
        self.schemas = description()["schemas"]
        self.folder = Path(tempfile.mkdtemp(prefix="google-batch-"))
        self.lock = threading.Lock()

    def create(self, parent: str, region: str, job_id: str, body: dict[str, Any]) -> dict[str, Any]:
        self._check(job_id, body)
        name = f"{parent}/jobs/{job_id}"
        with self.lock:
            if name in self.jobs:
                raise RefusedError(409, "ALREADY_EXISTS", f"Resource '{name}' already exists")
            job = self.jobs[name] = Job(name, region, body, self.folder)
            with self.ledger.open("a") as ledger:
                ledger.write(json.dumps({"region": region, "id": job_id, "job": body}) + "\n")
        policy = body.get("allocationPolicy", {}).get("instances", [{}])[0].get("policy", {})
        if not self.out_of_stock or policy.get("machineType") != self.out_of_stock:
            threading.Thread(target=job.run, daemon=True).start()
        return job.body

    def find(self, name: str) -> Job:
        job = self.jobs.get(name)
        if job is None:
            raise RefusedError(404, "NOT_FOUND", f"Resource '{name}' was not found")
        return job

    def page(self, parent: str, asked: dict[str, str]) -> dict[str, Any]:
        if asked.get("orderBy", "") not in ("", "create_time desc"):
            raise RefusedError(400, "INVALID_ARGUMENT", f"orderBy {asked['orderBy']}")
        terms = [term for term in asked.get("filter", "").split(" AND ") if term]
        parsed = [_TERM.match(term) for term in terms]
        if not all(parsed):
            raise RefusedError(400, "INVALID_ARGUMENT", f"filter {asked['filter']}")
        wanted = [match.groups() for match in parsed if match]
        found = [
            job.body
            for name, job in reversed(list(self.jobs.items()))
            if name.startswith(f"{parent}/")
            and all(job.body.get("labels", {}).get(key) == value for key, value in wanted)
        ]
        at, size = int(asked.get("pageToken") or 0), int(asked.get("pageSize") or 100)
        further = {"nextPageToken": str(at + size)} if len(found) > at + size else {}
        return {"jobs": found[at : at + size], **further}

    def entries(self, asked: dict[str, Any]) -> dict[str, Any]:
        match = _ENTRIES.match(asked["filter"])
        if match is None:
            raise RefusedError(400, "INVALID_ARGUMENT", f"filter {asked['filter']}")
        lines: list[str] = []
        for job in self.jobs.values():
            if job.body["uid"] == match[1] and job.container is not None:
                lines = job.container.lines()
        newest = lines[::-1] if asked.get("orderBy") == "timestamp desc" else lines
        return {"entries": [{"textPayload": line} for line in newest[: asked["pageSize"]]]}

    def token(self, form: dict[str, str]) -> dict[str, Any]:
        self._verify(form["assertion"])
        token = secrets.token_urlsafe(16)
        self.tokens.add(token)
        return {"access_token": token, "expires_in": 3600, "token_type": "Bearer"}

    def authenticate(self, header: str) -> None:
        token = header.removeprefix("Bearer ")
        if token not in self.tokens:
            self._verify(token)

    def _verify(self, token: str) -> None:
        try:
            jwt.decode(
                token,
                self.key["public_key"],
                algorithms=["RS256"],
                issuer=self.key["client_email"],
                options={"verify_aud": False},
            )
        except jwt.PyJWTError as error:
            raise RefusedError(401, "UNAUTHENTICATED", f"{type(error).__name__}") from error

    def _check(self, job_id: str, body: dict[str, Any]) -> None:
        found = mistakes(self.schemas, "Job", body)
        if not _ID.match(job_id):
            found.append(f"job id {job_id!r}")
        for labels in (body.get("labels", {}), body.get("allocationPolicy", {}).get("labels", {})):
            found += [
                f"label {key}={value}"
                for key, value in labels.items()
                if not _LABEL_KEY.match(key) or not _LABEL.match(value)
            ]
        if len(body.get("taskGroups", [])) != 1:
            found.append("exactly one task group is needed")
        if found:
            raise RefusedError(400, "INVALID_ARGUMENT", "; ".join(found))


class Api(BaseHTTPRequestHandler):
    """One request."""

    protocol_version = "HTTP/1.1"
    cloud: Cloud

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def log_message(self, *_: Any) -> None:
        pass

    def _answer(self) -> None:
        length = int(self.headers.get("content-length") or 0)
        raw = self.rfile.read(length)
        try:
            code, said = 200, self._said(raw)
        except RefusedError as error:
            code, said = error.code, error.body
        body = json.dumps(said).encode()
        self.send_response(code)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _said(self, raw: bytes) -> Any:
        cloud, url = self.cloud, urlsplit(self.path)
        asked = {key: values[-1] for key, values in parse_qs(url.query).items()}
        if url.path == "/token":
            form = {key: values[-1] for key, values in parse_qs(raw.decode()).items()}
            return cloud.token(form)
        if url.path.startswith("/stand-in/preempt/"):
            return self._preempt(url.path.rpartition("/")[2])
        cloud.authenticate(self.headers.get("authorization", ""))
        return self._said_to_a_known_caller(url.path, asked, json.loads(raw or b"{}"))

    def _said_to_a_known_caller(self, path: str, asked: dict[str, str], body: Any) -> Any:
        cloud = self.cloud
        if path == "/v2/entries:list":
            return cloud.entries(body)
        if found := _JOBS.match(path):
            if self.command == "POST":
                return cloud.create(found["parent"], found["region"], asked["jobId"], body)
            return cloud.page(found["parent"], asked)
        if found := _JOB.match(path):
            job = cloud.find(found["name"])
            if found["verb"] == ":cancel":
                job.cancel()
                operation = f"{found['name'].partition('/jobs/')[0]}/operations/cancel"
                return {"name": operation, "done": False}
            return job.tasks() if found["verb"] else job.body
        raise RefusedError(404, "NOT_FOUND", f"{self.command} {path}")

    def _preempt(self, job_id: str) -> dict[str, Any]:
        for name, job in self.cloud.jobs.items():
            if name.endswith(f"/{job_id}") and job.container is not None:
                job.preempted = True
                job.container.kill()
                return {}
        raise RefusedError(404, "NOT_FOUND", job_id)


def main() -> None:
    """Serve until ended."""
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("key", type=Path)
    parser.add_argument("ledger", type=Path)
    parser.add_argument("--out-of-stock")
    given = parser.parse_args()
    key = json.loads(given.key.with_suffix(".public.json").read_text())
    Api.cloud = Cloud(key, given.ledger, given.out_of_stock)
    serve_until_ended(given.port, Api)
    for job in Api.cloud.jobs.values():
        if job.container is not None:
            job.container.kill()
    shutil.rmtree(Api.cloud.folder, ignore_errors=True)


if __name__ == "__main__":
    main()
