"""Clients of AWS for a cluster: by a connection of Airflow's, with time limits of our own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# A call that takes longer makes its cluster late; the SDK's own limit is a minute, five times over.
_CONNECT_TIMEOUT_S, _READ_TIMEOUT_S = 2, 8


def limits(connect_s: float = _CONNECT_TIMEOUT_S, read_s: float = _READ_TIMEOUT_S) -> Any:
    """Configuration of a client that gives up early and leaves trying again to its caller."""
    from botocore.config import Config

    return Config(connect_timeout=connect_s, read_timeout=read_s, retries={"total_max_attempts": 1})


def entries(environment: Mapping[str, str]) -> list[dict[str, str]]:
    """
    An environment as AWS wants it.

    >>> entries({"AIOPS_CLUSTER": "ecs"})
    [{'name': 'AIOPS_CLUSTER', 'value': 'ecs'}]
    """
    return [{"name": name, "value": value} for name, value in environment.items()]


def client(service: str, *, team: str, timeout_s: float) -> Any:
    """
    A client with the connection and region of a cluster's executor.

    Args:
        service: As boto3 names it: ``batch`` or ``ecs``.
        team: Whose configuration the executor reads.
        timeout_s: For connecting, and for an answer.
    """
    from airflow.configuration import conf
    from airflow.providers.amazon.aws.hooks.base_aws import AwsBaseHook

    section = f"aws_{service}_executor"
    hook: Any = AwsBaseHook(
        aws_conn_id=conf.get(section, "conn_id", team_name=team),
        region_name=conf.get(section, "region_name", team_name=team),
        client_type=service,
        config=limits(timeout_s, timeout_s),
    )
    return hook.conn
