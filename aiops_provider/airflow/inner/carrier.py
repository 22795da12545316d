"""
What a task is told about itself, inside the workload that its worker gets.

A worker of a remote cluster inherits no environment from us. A workload has a carrier for what
travels along with a request, and Airflow hands it to the task's process untouched.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, MutableMapping
from typing import Any

log = logging.getLogger(__name__)

_ENTRY = "aiops"
_PREFIX = "AIOPS_"


def load(carrier: Mapping[str, Any] | None, environment: Mapping[str, str]) -> dict[str, Any]:
    """
    A carrier with the environment in it.

    >>> load({"traceparent": "00-1"}, {"AIOPS_CLUSTER": "onprem"})
    {'traceparent': '00-1', 'aiops': '{"AIOPS_CLUSTER": "onprem"}'}
    """
    return {**(carrier or {}), _ENTRY: json.dumps(dict(environment))}


def unload(carrier: Mapping[str, Any] | None, environment: MutableMapping[str, str]) -> None:
    """
    Put what is in a carrier into the environment of the task's own process.

    Only our own variables are taken: whoever could write into a carrier must not be able to change
    anything else of the process.
    """
    said = (carrier or {}).get(_ENTRY)
    if not isinstance(said, str):
        return
    try:
        variables = json.loads(said)
        environment.update(
            {str(k): str(v) for k, v in variables.items() if str(k).startswith(_PREFIX)}
        )
    except (ValueError, AttributeError):
        log.warning("What the executor said about this task cannot be read")
