"""
A stand-in for a Kubernetes cluster, over real HTTP: its API server, scheduler and kubelets.

No package that can be installed here ships a kube-apiserver, so this answers in its place, for the
genuine clients: create, get, list (in pages), watch, patch and delete of pods, nodes, events, namespaces
and resource quotas, with resource versions (also those that are gone), label and field selectors, logs, access
reviews, readiness and version. Pods run as processes of this machine; see ``kubelet.py``. There is no
exec, no admission but a quota of pods, no controllers, and bearer tokens are compared, not verified.

    python server.py PORT [--node NAME=CORES,GIB ...] [--namespace NAME ...]
"""

import argparse
import json
import re
import signal
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from kubelet import Kubelet
from objects import Objects, now
from selection import mistakes_of_pod, selects, with_defaults

KINDS = {
    "pods": "Pod",
    "nodes": "Node",
    "events": "Event",
    "namespaces": "Namespace",
    "resourcequotas": "ResourceQuota",
}
TOKENS = {
    "admin": {"create", "get", "list", "watch", "patch", "delete"},
    "viewer": {"get", "list", "watch"},
    "tenant": {"create", "get", "list", "watch", "patch", "delete"},  # inside namespaces only
}
_PATH = re.compile(
    r"^/api/v1(?:/namespaces/(?P<ns>[^/]+))?/(?P<resource>pods|nodes|events|resourcequotas)"
    r"(?:/(?P<name>[^/]+))?(?P<log>/log)?$"
)
_NAMESPACE = re.compile(r"^/api/v1/namespaces(?:/(?P<name>[^/]+))?$")
_VERBS = {"POST": "create", "PATCH": "patch", "DELETE": "delete"}
_LONGEST_WATCH_S = 3600.0


class RefusedError(Exception):
    def __init__(self, code: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status = {
            "kind": "Status",
            "apiVersion": "v1",
            "status": "Failure",
            "code": code,
            "reason": reason,
            "message": message,
        }


class Api(BaseHTTPRequestHandler):
    """One request."""

    protocol_version = "HTTP/1.1"
    objects: Objects
    kubelet: Kubelet

    def handle_request(self) -> None:
        self.address = urlsplit(self.path)
        self.query = {name: values[-1] for name, values in parse_qs(self.address.query).items()}
        length = int(self.headers.get("Content-Length") or 0)
        self.body = json.loads(self.rfile.read(length) or b"{}")
        try:
            self.answer_request()
        except RefusedError as refused:
            self.answer(refused.status, refused.status["code"])
        except BrokenPipeError:
            self.close_connection = True

    do_GET = do_POST = do_PATCH = do_DELETE = handle_request  # noqa: N815 - as the library has them

    def answer_request(self) -> None:
        path = self.address.path
        token = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
        may = TOKENS.get(token)
        if may is None:
            raise RefusedError(401, "Unauthorized", "Unauthorized")
        if token == "tenant" and path.startswith("/api/v1/nodes"):
            raise RefusedError(403, "Forbidden", "nodes is forbidden: cannot list at the cluster")
        if path in {"/readyz", "/livez"}:
            self.answer_text(b"ok")
        elif path == "/version":
            self.answer({"major": "1", "minor": "36", "gitVersion": "v1.36.0-stand-in"})
        elif path.endswith("/selfsubjectaccessreviews"):
            asked = self.body["spec"]["resourceAttributes"]
            self.answer({**self.body, "status": {"allowed": asked["verb"] in may}}, 201)
        elif path == "/stand-in/compact":
            self.objects.compact()
            self.answer({})
        else:
            self.answer_for_objects(path, may)

    def answer_for_objects(self, path: str, may: set[str]) -> None:
        found = _PATH.match(path) or _NAMESPACE.match(path)
        if found is None:
            raise RefusedError(404, "NotFound", f"the server could not find {path}")
        parts = found.groupdict()
        resource, name = parts.get("resource", "namespaces"), parts["name"]
        namespace = parts.get("ns") or ""
        verb = _VERBS.get(self.command) or ("get" if name else "list")
        if self.query.get("watch") in {"true", "True"}:
            verb = "watch"
        if verb not in may:
            raise RefusedError(403, "Forbidden", f"{resource} is forbidden: cannot {verb}")
        if parts.get("log"):
            self.answer_log(namespace, name)
            return
        getattr(self, f"{verb}_")(resource, namespace, name)

    def create_(self, resource: str, namespace: str, name: str | None) -> None:
        item = self.body
        item |= {"apiVersion": "v1", "kind": KINDS[resource]}
        metadata = item.setdefault("metadata", {})
        if namespace:
            metadata["namespace"] = namespace
        if resource == "pods":
            self.admit(item, namespace)
        item.setdefault("spec", {})
        stored = self.objects.create((resource, namespace, metadata["name"]), item)
        if stored is None:
            raise RefusedError(
                409, "AlreadyExists", f'{resource} "{metadata["name"]}" already exists'
            )
        self.answer(stored, 201)

    def admit(self, pod: dict, namespace: str) -> None:
        if self.objects.get(("namespaces", "", namespace)) is None:
            raise RefusedError(404, "NotFound", f'namespaces "{namespace}" not found')
        mistakes = mistakes_of_pod(pod)
        if mistakes:
            raise RefusedError(422, "Invalid", f"Pod is invalid: {'; '.join(mistakes)}")
        with_defaults(pod)
        there = len(self.objects.find("pods", namespace, is_under_way))
        for quota in self.objects.find("resourcequotas", namespace, lambda _: True):
            hard = quota["spec"]["hard"].get("pods")
            if hard is not None and there >= int(hard):
                message = f"exceeded quota: {quota['metadata']['name']}, limited: pods={hard}"
                raise RefusedError(403, "Forbidden", f"pods is forbidden: {message}")

    def get_(self, resource: str, namespace: str, name: str) -> None:
        self.answer(self.existing(resource, namespace, name))

    def list_(self, resource: str, namespace: str, name: None) -> None:
        with self.objects.changed:
            items = self.objects.find(resource, namespace, self.selected())
            version = str(self.objects.version)
        metadata = {"resourceVersion": version}
        begin, limit = int(self.query.get("continue") or 0), int(self.query.get("limit") or 0)
        if limit and begin + limit < len(items):
            metadata["continue"] = str(begin + limit)
        items = items[begin : begin + limit] if limit else items[begin:]
        kind = f"{KINDS[resource]}List"
        if "PartialObjectMetadataList" in (self.headers.get("Accept") or ""):
            kind, items = "PartialObjectMetadataList", [{"metadata": e["metadata"]} for e in items]
        self.answer(
            {
                "kind": kind,
                "apiVersion": "v1",
                "metadata": metadata,
                "items": items,
            }
        )

    def watch_(self, resource: str, namespace: str, name: None) -> None:
        seconds = float(self.query.get("timeoutSeconds") or _LONGEST_WATCH_S)
        version = self.query.get("resourceVersion") or ""
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for event in self.objects.watch(resource, namespace, self.selected(), version, seconds):
            line = json.dumps(event).encode() + b"\n"
            self.wfile.write(f"{len(line):x}\r\n".encode() + line + b"\r\n")
            self.wfile.flush()
        self.wfile.write(b"0\r\n\r\n")

    def patch_(self, resource: str, namespace: str, name: str) -> None:
        if isinstance(self.body, list):
            raise RefusedError(
                415, "UnsupportedMediaType", "the stand-in merges, it does no JSON patch"
            )
        self.existing(resource, namespace, name)
        patch = self.body
        self.answer(
            self.objects.update((resource, namespace, name), lambda item: merge(item, patch))
        )

    def delete_(self, resource: str, namespace: str, name: str) -> None:
        item = self.existing(resource, namespace, name)
        key = (resource, namespace, name)
        grace = self.body.get("gracePeriodSeconds", self.query.get("gracePeriodSeconds"))
        if resource != "pods" or not item["spec"].get("nodeName") or not is_under_way(item):
            if resource == "pods":
                self.objects.update(
                    key, lambda pod: pod["metadata"].update(deletionTimestamp=now())
                )
            self.objects.remove(key)
        else:
            stock = item["spec"]["terminationGracePeriodSeconds"]
            seconds = stock if grace is None else int(grace)
            stamps = {"deletionTimestamp": now(), "deletionGracePeriodSeconds": seconds}
            item = self.objects.update(key, lambda pod: pod["metadata"].update(stamps)) or item
        self.answer(item)

    def answer_log(self, namespace: str, name: str) -> None:
        log = self.kubelet.log_of(self.existing("pods", namespace, name))
        if log is None:
            raise RefusedError(400, "BadRequest", f"container in pod {name} is waiting to start")
        lines = log.splitlines(keepends=True)
        tail = int(self.query.get("tailLines") or len(lines))
        self.answer_text(b"".join(lines[len(lines) - min(tail, len(lines)) :]))

    def existing(self, resource: str, namespace: str, name: str) -> dict:
        item = self.objects.get((resource, namespace, name))
        if item is None:
            raise RefusedError(404, "NotFound", f'{resource} "{name}" not found')
        return item

    def selected(self):
        return selects(self.query.get("labelSelector") or "", self.query.get("fieldSelector") or "")

    def answer(self, item: dict | None, code: int = 200) -> None:
        self.answer_text(json.dumps(item).encode(), code, "application/json")

    def answer_text(self, text: bytes, code: int = 200, kind: str = "text/plain") -> None:
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """One line for each request that is refused; the others are too many."""
        if args and str(args[1:2]).strip("(),'") >= "400":
            sys.stderr.write(f"{format % args}\n")


def is_under_way(pod: dict) -> bool:
    return pod["status"]["phase"] in {"Pending", "Running"}


def merge(item: dict, patch: dict) -> None:
    """JSON Merge Patch, RFC 7396."""
    for name, value in patch.items():
        if value is None:
            item.pop(name, None)
        elif isinstance(value, dict):
            merge(item.setdefault(name, {}), value)
        else:
            item[name] = value


def node(text: str) -> dict:
    name, _, size = text.partition("=")
    cores, gib = size.split(",")
    allocatable = {"cpu": cores, "memory": f"{gib}Gi", "ephemeral-storage": "100Gi", "pods": "110"}
    return {"metadata": {"name": name}, "spec": {}, "status": {"allocatable": allocatable}}


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("port", type=int)
    arguments.add_argument("--node", action="append", type=node, default=[])
    arguments.add_argument("--namespace", action="append", default=["default"])
    given = arguments.parse_args()
    Api.objects = objects = Objects()
    Api.kubelet = kubelet = Kubelet(objects)
    for name in given.namespace:
        objects.create(("namespaces", "", name), {"kind": "Namespace", "metadata": {"name": name}})
    for each in given.node:
        objects.create(("nodes", "", each["metadata"]["name"]), {"kind": "Node", **each})
    kubelet.start()
    server = ThreadingHTTPServer(("127.0.0.1", given.port), Api)
    server.daemon_threads = True
    signal.signal(
        signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown, daemon=True).start()
    )
    sys.stdout.write(f"listening on {server.server_address[1]}\n")
    sys.stdout.flush()
    try:
        server.serve_forever()
    finally:
        kubelet.stop()


if __name__ == "__main__":
    main()
