"""What a user says in ``executor_config`` goes over what we say, as deep as it goes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiops_provider.airflow.description import EXECUTOR_CONFIG_KEY

# By these the entries of lists are told apart in the interfaces of AWS and Kubernetes.
_NAMING_KEYS = ("name", "type", "key")


def merged(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """
    Two mappings as one; where both say something, *over* holds.

    Lists of named entries are merged by name, all other lists replaced.

    >>> ours = {"needs": [{"type": "VCPU", "value": "1"}, {"type": "MEMORY", "value": "2048"}]}
    >>> merged(ours, {"needs": [{"type": "VCPU", "value": "4"}]})["needs"]
    [{'type': 'VCPU', 'value': '4'}, {'type': 'MEMORY', 'value': '2048'}]
    """
    result = dict(under)
    for key, value in over.items():
        result[key] = _merged_value(result[key], value) if key in result else value
    return result


def own_words(executor_config: Mapping[str, Any] | None) -> dict[str, Any]:
    """The user's ``executor_config`` without what is meant for this layer."""
    return {k: v for k, v in (executor_config or {}).items() if k != EXECUTOR_CONFIG_KEY}


def _merged_value(under: Any, over: Any) -> Any:
    if isinstance(under, Mapping) and isinstance(over, Mapping):
        return merged(under, over)
    if isinstance(under, list) and isinstance(over, list):
        for naming_key in _NAMING_KEYS:
            if all(isinstance(e, Mapping) and naming_key in e for e in (*under, *over)):
                return _merged_entries(under, over, naming_key)
    return over


def _merged_entries(under: list[Any], over: list[Any], naming_key: str) -> list[Any]:
    entries = {entry[naming_key]: dict(entry) for entry in under}
    for entry in over:
        entries[entry[naming_key]] = merged(entries.get(entry[naming_key], {}), entry)
    return list(entries.values())
