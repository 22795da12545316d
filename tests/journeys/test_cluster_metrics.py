"""
A metric that a real Prometheus holds goes bad: a super-alarm names its cluster, and that is quarantined.

Nothing is faked but the machines: Prometheus scrapes this process, the cycle that production runs asks it,
and what the routers read is what is looked at.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest

from aiops_provider.control.cycle import run_cycle
from aiops_provider.control.installation import Installation
from aiops_provider.control.out_of_use import clusters_out_of_use
from aiops_provider.domain.alarm import CauseKind, ResponseAction
from aiops_provider.domain.units import utc_now
from aiops_provider.settings.schema import Settings

_PATIENCE_S = 120.0
PLACES = {"steady": "azure", "ailing": "aws"}


def gauge(name: str, cluster: str) -> str:
    return f'{name}{{cluster="{cluster}"}}'


@pytest.fixture
def installation(prometheus, tmp_path) -> Iterator[Installation]:
    """Two clusters with metrics in one Prometheus, looked at once a second."""

    def metrics(cluster: str) -> dict:
        broken = {"query": f'sum(nodes_broken{{cluster="{cluster}"}})', "fault_when": "high"}
        busy = f'avg(cores_busy{{cluster="{cluster}"}})'
        return {
            "period_s": 1,
            "prometheus": {
                "url": prometheus.url,
                "queries": {"nodes_broken": broken, "cores_busy": busy},
            },
        }

    settings = {
        "store": f"sqlite:///{tmp_path}/aiops.db",
        "cycle_period_s": 0.2,
        "detection": {"period_s": 1},
        "clusters": [
            {
                "name": name, "kind": "local", "provider": provider, "region": "r",
                "capacity": {"cores": 4, "memory_gib": 8}, "metrics": metrics(name),
            }
            for name, provider in PLACES.items()
        ],
    }  # fmt: skip
    opened = Installation.open(Settings.model_validate(settings))
    opened.require_store().upgrade()
    yield opened
    opened.close()


def until(condition: Callable[[], bool], why: str) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, why
        time.sleep(0.2)


def test_a_cluster_whose_own_metric_goes_bad_is_quarantined(installation, prometheus):
    """Load that rises alarms nobody; nodes that break do, name the cluster and keep tasks away."""
    store = installation.require_store()
    for cluster in PLACES:
        prometheus.gauges[gauge("nodes_broken", cluster)] = 0.0
        prometheus.gauges[gauge("cores_busy", cluster)] = 50.0
    prometheus.wait_for("sum(nodes_broken)", 0.0)
    stop = threading.Event()
    cycle = threading.Thread(target=run_cycle, args=(installation, stop))
    cycle.start()
    try:
        labels = {"cluster": "ailing"}
        began = utc_now()

        def samples(name: str) -> int:
            return len(store.newest_samples(name, labels=labels, since=began, limit=1000))

        until(lambda: samples("nodes_broken") > 20, "the metrics do not arrive")
        prometheus.gauges[gauge("cores_busy", "steady")] = 99.0
        until(
            lambda: any(one.series.name == "cores_busy" for one in store.alarms(limit=100)),
            "a load that doubles raises no alarm",
        )
        assert [] == store.super_alarms()

        prometheus.gauges[gauge("nodes_broken", "ailing")] = 7.0
        until(lambda: bool(store.responses(active_at=utc_now())), "nothing is done about it")
    finally:
        stop.set()
        cycle.join()

    (told,) = store.super_alarms()
    (response,) = store.responses(active_at=utc_now())
    best = told.root_cause.best
    assert ({"cluster": "ailing"}, CauseKind.CLUSTER) == (best.cause, best.kind)
    assert "of cluster ailing: nodes_broken 0 → 7" in told.summary
    assert (ResponseAction.QUARANTINE, ("ailing",)) == (response.action, response.clusters)
    assert "its own metrics are in alarm, nodes_broken 7 for 0" in response.reason
    assert {"ailing"} == set(clusters_out_of_use(store, utc_now()).reasons)
