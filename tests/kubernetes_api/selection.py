"""Label and field selectors, quantities, and what makes a pod valid, as the Kubernetes API has them."""

import re
from collections.abc import Callable

_SET_BASED = re.compile(r"^\s*([\w./-]+)\s+(in|notin)\s+\(([^)]*)\)\s*$")
_COMMA = re.compile(r",(?![^(]*\))")
_NAME = re.compile(r"^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$")
_LABEL = re.compile(r"^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$")
_UNITS = {
    "": 1.0, "m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12,
    "Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30, "Ti": 2.0**40,
}  # fmt: skip


def quantity(text: str) -> float:
    found = re.fullmatch(r"([0-9.]+)(m|k|M|G|T|Ki|Mi|Gi|Ti)?", str(text))
    if found is None:
        raise ValueError(f"quantities must match the regular expression, got {text!r}")
    return float(found[1]) * _UNITS[found[2] or ""]


def selects(labels: str, fields: str) -> Callable[[dict], bool]:
    """Whether an object is selected."""
    tests = [_label_test(part) for part in _COMMA.split(labels) if part.strip()]
    tests += [_field_test(part) for part in fields.split(",") if part.strip()]
    return lambda item: all(test(item) for test in tests)


def _label_test(part: str) -> Callable[[dict], bool]:
    def has(item: dict) -> dict:
        return item["metadata"].get("labels") or {}

    part = part.strip()
    found = _SET_BASED.match(part)
    if found:
        name, values = found[1], {value.strip() for value in found[3].split(",")}
        if found[2] == "in":
            return lambda item: has(item).get(name) in values
        return lambda item: has(item).get(name) not in values
    if "!=" in part:
        name, value = part.split("!=", 1)
        return lambda item: has(item).get(name) != value
    if "=" in part:
        name, value = part.replace("==", "=").split("=", 1)
        return lambda item: has(item).get(name) == value
    if part.startswith("!"):
        return lambda item: part[1:] not in has(item)
    return lambda item: part in has(item)


def _field_test(part: str) -> Callable[[dict], bool]:
    path, value = part.replace("!=", "=").split("=", 1)
    path = path.replace("==", "=")
    wanted = "!=" not in part

    def test(item: dict) -> bool:
        found = item
        for step in path.split("."):
            found = (found or {}).get(step)
        return (str(found or "") == value.lstrip("=")) is wanted

    return test


def mistakes_of_pod(pod: dict) -> list[str]:
    """What the API server would refuse a pod for, as far as anybody here asks for it."""
    found = []
    metadata, spec = pod["metadata"], pod.get("spec") or {}
    if not _NAME.match(metadata.get("name") or ""):
        found.append(f"metadata.name: Invalid value: {metadata.get('name')!r}")
    for name, value in (metadata.get("labels") or {}).items():
        if not isinstance(value, str) or not _LABEL.match(value):
            found.append(f"metadata.labels: Invalid value: {name}={value!r}")
    if not spec.get("containers"):
        found.append("spec.containers: Required value")
    for at, container in enumerate(spec.get("containers") or ()):
        where = f"spec.containers[{at}]"
        if not container.get("image"):
            found.append(f"{where}.image: Required value")
        found += _mistakes_of_resources(container.get("resources") or {}, where)
        wrong = [
            e["name"] for e in container.get("env") or () if not isinstance(e.get("value", ""), str)
        ]
        found += [f"{where}.env: value of {name} is no string" for name in wrong]
    tolerations = spec.get("tolerations") or ()
    if any(each.get("operator") == "Exists" and each.get("value") for each in tolerations):
        found.append("spec.tolerations: value must be empty when `operator` is 'Exists'")
    return found


def _mistakes_of_resources(resources: dict, where: str) -> list[str]:
    found = []
    requests, limits = resources.get("requests") or {}, resources.get("limits") or {}
    for name, asked in requests.items():
        limit = limits.get(name)
        if limit is not None and quantity(asked) > quantity(limit):
            found.append(
                f"{where}.resources.requests: {name} must be less than or equal to its limit"
            )
        if "/" in name and limit != asked:
            found.append(
                f"{where}.resources.limits: Limit must be set for non overcommitable resources"
            )
    return found


def with_defaults(pod: dict) -> dict:
    """What the API server fills in: a limit without request is the request too."""
    for container in pod["spec"]["containers"]:
        resources = container.get("resources") or {}
        if resources.get("limits"):
            resources["requests"] = {**resources["limits"], **(resources.get("requests") or {})}
    pod["spec"].setdefault("terminationGracePeriodSeconds", 30)
    pod["spec"].setdefault("restartPolicy", "Always")
    pod["status"] = {"phase": "Pending"}
    return pod
