"""Checks of settings that a schema alone cannot make: they need what is installed or on disk."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from aiops_provider.clusters.registry import cluster_kind, kind_names
from aiops_provider.errors import ConfigurationError
from aiops_provider.settings.explain import did_you_mean
from aiops_provider.settings.problem import SettingError
from aiops_provider.settings.schema import ClusterSettings, Settings


def check_surroundings(settings: Settings) -> Iterator[SettingError]:
    """Every way in which valid settings do not fit what is installed here."""
    yield from _unknown_kinds(settings)
    yield from _store_out_of_reach(settings)
    yield from _missing_rules(settings)


def is_sqlite(url: str) -> bool:
    """Whether a store's URL names an SQLite file, which only this machine can reach."""
    return url.partition("://")[0].partition("+")[0] == "sqlite"


def _unknown_kinds(settings: Settings) -> Iterator[SettingError]:
    known = list(kind_names())
    for position, cluster in enumerate(settings.clusters):
        if cluster.kind in known:
            yield from _refused_by_kind(cluster, position)
            continue
        guess = did_you_mean(cluster.kind, known)
        kinds = "" if guess.startswith("Known") else f" Known: {', '.join(known)}."
        yield SettingError(
            "unknown cluster kind",
            at=("clusters", position, "kind"),
            value=cluster.kind,
            mend=f"{guess}{kinds} Another kind needs the package that brings it.",
        )


def _refused_by_kind(cluster: ClusterSettings, position: int) -> Iterator[SettingError]:
    try:
        problems = cluster_kind(cluster.kind).validate(cluster.to_domain())
    except ConfigurationError as error:  # the package that brings the kind cannot be loaded
        yield SettingError(
            error.problem, at=("clusters", position, "kind"), value=error.value, mend=error.mend
        )
        return
    for problem in problems:
        yield SettingError(problem, at=("clusters", position))


def _store_out_of_reach(settings: Settings) -> Iterator[SettingError]:
    if settings.store is None or not is_sqlite(settings.store.get_secret_value()):
        return
    remote = next((cluster for cluster in settings.clusters if cluster.kind != "local"), None)
    if remote is not None:
        yield SettingError(
            f"is SQLite, which serves local clusters only, and cluster {remote.name!r} is of kind"
            f" {remote.kind}",
            at=("store",),
            mend="Use PostgreSQL: postgresql+psycopg://user@host/database.",
        )


def _missing_rules(settings: Settings) -> Iterator[SettingError]:
    rules = settings.detection.rules_file
    if rules is not None and not Path(rules).is_file():
        yield SettingError(
            "there is no such file",
            at=("detection", "rules_file"),
            value=rules,
            mend="Create it or name another one; it is looked for beside aiops.yaml.",
        )
