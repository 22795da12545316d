"""Checks of settings that a schema alone cannot make: they need what is installed or on disk."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from pydantic import ValidationError

from aiops_provider.clusters.metrics.registry import metric_source, source_options
from aiops_provider.clusters.registry import cluster_kind, kind_names
from aiops_provider.errors import ConfigurationError, MetricsError
from aiops_provider.settings.explain import did_you_mean
from aiops_provider.settings.problem import SettingError
from aiops_provider.settings.schema import ClusterSettings, Settings

# Work that Prefect's own workers take, whose types Prefect knows and we only name.
_PREFECT_KINDS = frozenset(
    {
        "process", "docker", "kubernetes", "ecs", "cloud-run", "cloud-run-v2", "vertex-ai",
        "azure-container-instance",
    }
)  # fmt: skip

# What runs on the machine that decides, so that a file there is within its reach.
_KINDS_OF_THIS_MACHINE = frozenset({"local", "process", "docker"})


def check_surroundings(settings: Settings) -> Iterator[SettingError]:
    """Every way in which valid settings do not fit what is installed here."""
    yield from _unknown_kinds(settings)
    yield from _store_out_of_reach(settings)
    yield from _missing_files(settings)
    yield from _unusable_metrics(settings)


def known_kinds() -> list[str]:
    """Names of the cluster kinds that can be used here: installed ones, and those of the host."""
    of_the_host = _PREFECT_KINDS if find_spec("prefect") is not None else frozenset()
    return sorted(of_the_host.union(kind_names()))


def serves_this_machine_only(kind: str) -> bool:
    """Whether clusters of that kind run on the machine that decides."""
    return kind in _KINDS_OF_THIS_MACHINE


def is_sqlite(url: str) -> bool:
    """Whether a store's URL names an SQLite file, which only this machine can reach."""
    return url.partition("://")[0].partition("+")[0] == "sqlite"


def _unknown_kinds(settings: Settings) -> Iterator[SettingError]:
    installed, known = kind_names(), known_kinds()
    for position, cluster in enumerate(settings.clusters):
        if cluster.kind in installed:
            yield from _refused_by_kind(cluster, position, settings)
        if cluster.kind in known:
            continue
        guess = did_you_mean(cluster.kind, known)
        kinds = "" if guess.startswith("Known") else f" Known: {', '.join(known)}."
        yield SettingError(
            "unknown cluster kind",
            at=("clusters", position, "kind"),
            value=cluster.kind,
            mend=f"{guess}{kinds} Another kind needs the package that brings it.",
        )


def _refused_by_kind(
    cluster: ClusterSettings, position: int, settings: Settings
) -> Iterator[SettingError]:
    try:
        problems = cluster_kind(cluster.kind).validate(settings.cluster_specs[position])
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
    remote = next((c for c in settings.clusters if not serves_this_machine_only(c.kind)), None)
    if remote is not None:
        yield SettingError(
            f"is SQLite, which serves local clusters only, and cluster {remote.name!r} is of kind"
            f" {remote.kind}",
            at=("store",),
            mend="Use PostgreSQL: postgresql+psycopg://user@host/database.",
        )


def _missing_files(settings: Settings) -> Iterator[SettingError]:
    for at, named in (
        (("detection", "rules_file"), settings.detection.rules_file),
        (("planning", "interference_file"), settings.planning.interference_file),
    ):
        if named is not None and not Path(named).is_file():
            yield SettingError(
                "there is no such file",
                at=at,
                value=named,
                mend="Create it or name another one; it is looked for beside aiops.yaml.",
            )


def _unusable_metrics(settings: Settings) -> Iterator[SettingError]:
    for position, cluster in enumerate(settings.clusters):
        said = cluster.metrics.by_source(cluster.kind) if cluster.metrics is not None else {}
        for name, given in said.items():
            at = ("clusters", position, "metrics", name)
            try:
                metric_source(name).open(
                    settings.cluster_specs[position],
                    source_options(name, given),
                    period_s=1.0,
                    timeout_s=1.0,
                )
            except ConfigurationError as error:
                yield SettingError(
                    f"{error.field}: {error.problem}", at=at, value=error.value, mend=error.mend
                )
            except MetricsError as error:
                yield SettingError(str(error), at=at, mend="Add it.")
            except ValidationError:
                continue  # the options of the cluster itself are wrong, which is told already
