"""The doctor's check of the sources of cluster metrics: each is asked once, and what it told is shown."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from dataclasses import dataclass

from aiops_provider.clusters.metrics.source import Readings
from aiops_provider.control.cluster_metrics import WatchedSource, open_sources, reason_of
from aiops_provider.control.finding import Finding, failed, fine, warned
from aiops_provider.control.installation import Installation
from aiops_provider.domain.cluster import ClusterSpec
from aiops_provider.domain.units import utc_now
from aiops_provider.errors import AiopsError

log = logging.getLogger(__name__)

_METRICS_SHOWN = 6
_ASK_AGAIN = "Mend it as it says; until then the cluster is watched by its tasks alone."


@dataclass(slots=True)
class _Look:
    """What came of one look."""

    readings: Readings | None = None
    failure: str = ""


def check_metrics(installation: Installation) -> Iterator[Finding]:
    """
    Ask every source that the settings name, all at once.

    Args:
        installation: With clusters that may have metrics.
    """
    unusable: list[Finding] = []

    def note(spec: ClusterSpec, name: str, error: AiopsError) -> None:
        unusable.append(
            failed(_check(spec, name), str(error), "Mend it as it says.", input_error=True)
        )

    watched = list(open_sources(installation.settings, installation.clusters, note))
    yield from unusable
    looks = [_Look() for _ in watched]
    threads = [
        threading.Thread(target=_ask, args=(one, look), daemon=True)
        for one, look in zip(watched, looks, strict=True)
    ]
    for thread in threads:
        thread.start()
    for one, look, thread in zip(watched, looks, threads, strict=True):
        thread.join(one.limit_s)
        yield _judged(one, look)


def _ask(watched: WatchedSource, look: _Look) -> None:
    try:
        look.readings = watched.source.read(utc_now())
    except Exception as error:
        # Whatever a library raises is what this check is to tell.
        log.debug("Reading %s failed", watched, exc_info=True)
        look.failure = reason_of(error)


def _judged(watched: WatchedSource, look: _Look) -> Finding:
    check = _check(watched.spec, watched.name)
    if look.failure:
        return failed(check, look.failure, _ASK_AGAIN)
    if look.readings is None:
        return failed(check, f"no answer within {watched.limit_s:g} s", _ASK_AGAIN)
    latest = {one.name: one.value for one in look.readings.found}
    shown = [f"{name} {value:.4g}" for name, value in latest.items()][:_METRICS_SHOWN]
    more = f" and {len(latest) - len(shown)} more" if len(latest) > len(shown) else ""
    told = f"{', '.join(shown)}{more}" if shown else "nothing yet"
    if look.readings.missing:
        absent = "; ".join(f"{name}: {why}" for name, why in look.readings.missing.items())
        return warned(check, f"it tells {told}; missing are {absent}", "Mend the query or rights.")
    return fine(check, f"it tells {told}")


def _check(spec: ClusterSpec, name: str) -> str:
    return f"metrics {spec.name} {name}"
