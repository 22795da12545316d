"""Schedules pods to nodes and runs the first container of each as a process of this machine."""

import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from objects import Key, Objects, now
from selection import quantity

_TURN_S, _MEMORY_S = 0.05, 0.25
_KILL = 128 + signal.SIGKILL


@dataclass
class Container:
    """The process of a pod, in a session of its own."""

    process: subprocess.Popen
    log: Path
    limit_bytes: float | None
    started_at: str = field(default_factory=now)
    killed_for_memory: bool = False
    ends_by: float | None = None


class Kubelet:
    """
    Scheduler and kubelet of all nodes, on one thread.

    A container's image is this machine: it inherits the environment of the server, and an image
    that begins with ``missing/`` cannot be pulled. Its memory limit is enforced on what its
    processes really hold.
    """

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._containers: dict[str, Container] = {}
        self._folder = Path(tempfile.mkdtemp(prefix="aiops-kubelet-"))
        self._stopping = threading.Event()
        self._measured_at = 0.0
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join(5)
        for container in self._containers.values():
            end_session(container.process.pid, signal.SIGKILL)
        shutil.rmtree(self._folder, ignore_errors=True)

    def log_of(self, pod: dict) -> bytes | None:
        container = self._containers.get(pod["metadata"]["uid"])
        return container.log.read_bytes() if container is not None else None

    def _run(self) -> None:
        while not self._stopping.wait(_TURN_S):
            if time.monotonic() - self._measured_at > _MEMORY_S:
                self._measured_at = time.monotonic()
                self._enforce_memory()
            pods = self._objects.find("pods", "", lambda _: True)
            for pod in pods:
                self._advance(pod)
            present = {pod["metadata"]["uid"] for pod in pods}
            for uid in [each for each in self._containers if each not in present]:
                end_session(self._containers.pop(uid).process.pid, signal.SIGKILL)

    def _advance(self, pod: dict) -> None:
        key = key_of(pod)
        container = self._containers.get(pod["metadata"]["uid"])
        phase, deleted = pod["status"]["phase"], pod["metadata"].get("deletionTimestamp")
        node = pod["spec"].get("nodeName")
        if node and self._objects.get(("nodes", "", node)) is None:
            self._lose(key, container)
        elif phase in {"Succeeded", "Failed"} or (deleted and container is None):
            if deleted:
                self._objects.remove(key)
        elif container is not None:
            self._watch_over(key, pod, container)
        elif not node:
            # What was bound in this very turn takes room already.
            self._schedule(key, pod, self._objects.find("pods", "", lambda _: True))
        elif pod["spec"]["containers"][0]["image"].startswith("missing/"):
            self._waits(key, pod, "ErrImagePull", "manifest unknown")
        else:
            self._run_pod(key, pod)

    def _schedule(self, key: Key, pod: dict, pods: list[dict]) -> None:
        nodes = self._objects.find("nodes", "", lambda _: True)
        reasons = []
        for node in nodes:
            reason = unfit(pod, node, pods)
            if not reason:
                bound = {"nodeName": node["metadata"]["name"]}
                self._objects.update(key, lambda each, bound=bound: each["spec"].update(bound))
                return
            reasons.append(reason)
        message = f"0/{len(nodes)} nodes are available: {', '.join(sorted(set(reasons)))}."
        condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}
        self._set(key, conditions=[{**condition, "message": message}])

    def _run_pod(self, key: Key, pod: dict) -> None:
        spec = pod["spec"]["containers"][0]
        variables = {each["name"]: each.get("value", "") for each in spec.get("env") or ()}
        log = self._folder / f"{pod['metadata']['uid']}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [*(spec.get("command") or ()), *(spec.get("args") or ())],
                env={**os.environ, **variables, "HOSTNAME": pod["metadata"]["name"]},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        limit = ((spec.get("resources") or {}).get("limits") or {}).get("memory")
        container = Container(process, log, quantity(limit) if limit else None)
        self._containers[pod["metadata"]["uid"]] = container
        state = {"running": {"startedAt": container.started_at}}
        self._set(
            key,
            phase="Running",
            conditions=[{"type": "PodScheduled", "status": "True"}],
            containerStatuses=[status_of(pod, state, ready=True)],
        )

    def _watch_over(self, key: Key, pod: dict, container: Container) -> None:
        code = container.process.poll()
        if code is not None:
            self._end(key, pod, container, code)
        elif pod["metadata"].get("deletionTimestamp"):
            if container.ends_by is None:
                grace = pod["metadata"].get("deletionGracePeriodSeconds", 30)
                container.ends_by = time.monotonic() + grace
                end_session(container.process.pid, signal.SIGTERM)
            elif time.monotonic() > container.ends_by:
                end_session(container.process.pid, signal.SIGKILL)

    def _end(self, key: Key, pod: dict, container: Container, code: int) -> None:
        end_session(container.process.pid, signal.SIGKILL)
        exit_code = code if code >= 0 else 128 - code
        reason = "Completed" if exit_code == 0 else "Error"
        if container.killed_for_memory:
            reason, exit_code = "OOMKilled", _KILL
        ended = {"exitCode": exit_code, "reason": reason, "startedAt": container.started_at}
        state = {"terminated": {**ended, "finishedAt": now()}}
        self._set(
            key,
            phase="Succeeded" if exit_code == 0 else "Failed",
            containerStatuses=[status_of(pod, state, ready=False)],
        )

    def _lose(self, key: Key, container: Container | None) -> None:
        """As the garbage collector of pods does once a node is gone."""
        if container is not None:
            end_session(container.process.pid, signal.SIGKILL)
        condition = {"type": "DisruptionTarget", "status": "True", "reason": "DeletionByPodGC"}
        message = "PodGC: node no longer exists"

        def fail(pod: dict) -> None:
            pod["status"] |= {"phase": "Failed", "conditions": [{**condition, "message": message}]}
            pod["metadata"]["deletionTimestamp"] = now()

        self._objects.update(key, fail)
        self._objects.remove(key)

    def _waits(self, key: Key, pod: dict, reason: str, message: str) -> None:
        state = {"waiting": {"reason": reason, "message": message}}
        self._set(key, containerStatuses=[status_of(pod, state, ready=False)])

    def _set(self, key: Key, **status: object) -> None:
        self._objects.update(key, lambda pod: pod["status"].update(status))

    def _enforce_memory(self) -> None:
        """As the kernel does it for a whole control group."""
        for container in self._containers.values():
            if container.limit_bytes is None or container.process.poll() is not None:
                continue
            if memory_of(container.process.pid) > container.limit_bytes:
                container.killed_for_memory = True
                end_session(container.process.pid, signal.SIGKILL)


def key_of(pod: dict) -> Key:
    return "pods", pod["metadata"]["namespace"], pod["metadata"]["name"]


def status_of(pod: dict, state: dict, *, ready: bool) -> dict:
    container = pod["spec"]["containers"][0]
    named = {"name": container["name"], "image": container["image"], "imageID": ""}
    return {**named, "ready": ready, "restartCount": 0, "state": state}


def unfit(pod: dict, node: dict, pods: list[dict]) -> str:
    """Why a pod cannot go to a node, in the words of the scheduler; empty if it can."""
    labels = node["metadata"].get("labels") or {}
    selector = pod["spec"].get("nodeSelector") or {}
    if any(labels.get(name) != value for name, value in selector.items()):
        return "node(s) didn't match Pod's node affinity/selector"
    for taint in node["spec"].get("taints") or ():
        if not any(tolerates(each, taint) for each in pod["spec"].get("tolerations") or ()):
            return f"node(s) had untolerated taint {{{taint['key']}: {taint.get('value', '')}}}"
    used: dict[str, float] = {}
    for other in pods:
        here = other["spec"].get("nodeName") == node["metadata"]["name"]
        if here and other["status"]["phase"] in {"Pending", "Running"}:
            for name, amount in requests_of(other).items():
                used[name] = used.get(name, 0.0) + amount
    for name, amount in requests_of(pod).items():
        offered = quantity(node["status"]["allocatable"].get(name, "0"))
        if amount + used.get(name, 0.0) > offered + 1e-9:
            return f"Insufficient {name}"
    return ""


def requests_of(pod: dict) -> dict[str, float]:
    asked = (pod["spec"]["containers"][0].get("resources") or {}).get("requests") or {}
    return {name: quantity(amount) for name, amount in asked.items()}


def tolerates(toleration: dict, taint: dict) -> bool:
    if toleration.get("effect") not in {None, "", taint["effect"]}:
        return False
    if toleration.get("operator") == "Exists":
        return toleration.get("key") in {None, "", taint["key"]}
    return (toleration.get("key"), toleration.get("value", "")) == (
        taint["key"],
        taint.get("value", ""),
    )


def memory_of(pid: int) -> int:
    """Bytes that a process and its descendants hold."""
    total = 0
    try:
        for process in [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]:
            total += process.memory_info().rss
    except psutil.NoSuchProcess:
        return total
    return total


def end_session(leader: int, number: int) -> None:
    """Signal everybody in a session; the kernel of a real node does so for a control group."""
    for process in psutil.process_iter():
        try:
            if os.getsid(process.pid) == leader:
                os.kill(process.pid, number)
        except (ProcessLookupError, PermissionError):
            continue
