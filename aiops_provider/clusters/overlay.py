"""What a user says about a job in the words of its cluster goes over what we say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def overlaid(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """
    Two JSON objects as one; where both say something, *over* holds, as deep as it goes.

    Lists of equally many objects are laid over each other one by one, for the services that take a
    list here mean one group, one policy, one container. All other lists are replaced.

    Args:
        under: What holds where *over* is silent.
        over: As from a user.

    >>> ours = {"taskGroups": [{"taskCount": "1", "taskSpec": {"maxRetryCount": 0}}]}
    >>> overlaid(ours, {"taskGroups": [{"taskSpec": {"maxRunDuration": "60s"}}]})
    {'taskGroups': [{'taskCount': '1', 'taskSpec': {'maxRetryCount': 0, 'maxRunDuration': '60s'}}]}
    """
    result = dict(under)
    for key, value in over.items():
        result[key] = _value(result[key], value) if key in result else value
    return result


def _value(under: Any, over: Any) -> Any:
    if isinstance(under, Mapping) and isinstance(over, Mapping):
        return overlaid(under, over)
    if isinstance(under, list) and isinstance(over, list) and len(under) == len(over):
        pairs = list(zip(under, over, strict=True))
        if all(isinstance(one, Mapping) and isinstance(two, Mapping) for one, two in pairs):
            return [overlaid(one, two) for one, two in pairs]
    return over
