"""Checks of settings that a schema alone cannot make: they need what is installed or on disk."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path

from aiops_provider.settings.explain import did_you_mean
from aiops_provider.settings.problem import SettingError
from aiops_provider.settings.schema import Settings

# Known also where the package is used from a checkout, without its entry points.
_BUILT_IN_KINDS = frozenset({"local"})


def check_surroundings(settings: Settings) -> Iterator[SettingError]:
    """Every way in which valid settings do not fit what is installed here."""
    yield from _unknown_kinds(settings)
    yield from _store_out_of_reach(settings)
    yield from _missing_rules(settings)


def known_kinds() -> list[str]:
    """Names of the cluster kinds that are installed, from the entry points."""
    installed = {entry.name for entry in entry_points(group="aiops_provider.clusters")}
    return sorted(installed | _BUILT_IN_KINDS)


def is_sqlite(url: str) -> bool:
    """Whether a store's URL names an SQLite file, which only this machine can reach."""
    return url.partition("://")[0].partition("+")[0] == "sqlite"


def _unknown_kinds(settings: Settings) -> Iterator[SettingError]:
    if all(cluster.kind in _BUILT_IN_KINDS for cluster in settings.clusters):
        return  # reading the entry points of a large environment takes a while
    known = known_kinds()
    for position, cluster in enumerate(settings.clusters):
        if cluster.kind not in known:
            guess = did_you_mean(cluster.kind, known)
            kinds = "" if guess.startswith("Known") else f" Known: {', '.join(known)}."
            yield SettingError(
                "unknown cluster kind",
                at=("clusters", position, "kind"),
                value=cluster.kind,
                mend=f"{guess}{kinds} Another kind needs the package that brings it.",
            )


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
