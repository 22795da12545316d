"""
Configuration of several inner executors of one kind in one scheduler.

Airflow lets an executor have a team, whose settings stand in sections of their own. Each cluster gets
a team that exists nowhere else. A team's executor never looks into the global sections, so every key
is copied there before what the cluster's own options say is put on top.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Mapping
from typing import Any

log = logging.getLogger(__name__)

# Read by every executor of a team: where workers reach the execution API, and the defaults of tasks.
_ALWAYS = ("core", "api", "operators", "database", "scheduler", "logging")


def pseudo_team(cluster: str, team: str | None = None) -> str:
    """
    Name of the team whose configuration a cluster's inner executor reads.

    >>> pseudo_team("eks-brazil")
    'aiops_eks_brazil'
    >>> pseudo_team("onprem", team="ml")
    'aiops_ml_onprem'
    """
    parts = ["aiops", *([team] if team else []), cluster]
    return re.sub(r"[^a-z0-9_]", "_", "_".join(parts).lower())


def materialise(
    team: str,
    *,
    sections: Iterable[str],
    overrides: Mapping[str, Mapping[str, Any]],
) -> None:
    """
    Write the sections of a team, in this process's configuration only.

    Values that an operator gave the team by environment (``AIRFLOW__AIOPS_EKS___CELERY__…``) win over
    these: Airflow looks there first.

    Args:
        team: As from :func:`pseudo_team`.
        sections: Sections that the executor reads besides those that all executors read.
        overrides: What this cluster says, by section and key.
    """
    from airflow.configuration import conf

    for section in dict.fromkeys((*_ALWAYS, *sections, *overrides)):
        target = f"{team}={section}"
        if not conf.has_section(target):
            conf.add_section(target)
        values = global_values(section)
        values.update({key.lower(): _text(v) for key, v in overrides.get(section, {}).items()})
        for key, value in values.items():
            conf.set(target, key, value.replace("%", "%%"))


def global_values(section: str) -> dict[str, str]:
    """Every option of a section that has a value: from environment, file, command or default."""
    from airflow.configuration import conf

    described = (conf.configuration_description.get(section) or {}).get("options", {})
    given = conf.getsection(section) or {}
    values = {}
    for key in dict.fromkeys((*described, *given)):
        value = conf.get(section, key, fallback=None, suppress_warnings=True)
        if value is not None:
            values[key.lower()] = value
    return values


def _text(value: Any) -> str:
    return str(value)
