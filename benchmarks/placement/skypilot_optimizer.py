"""
SkyPilot's own optimizer on DAGs, started by :mod:`benchmarks.placement.dag_skypilot` elsewhere.

It runs in an environment that has SkyPilot and nothing of ours: a request comes as JSON on standard
input, one line per DAG goes to standard output. No cloud is asked: all three count as enabled and
reservations as none.
"""

# ruff: noqa: SLF001 - what the optimizer enumerates is told by its inner function only

from __future__ import annotations

import contextlib
import json
import sys
import time
from typing import Any

import sky
from sky import check, clouds, optimizer
from sky.utils import resources_utils


def main() -> None:
    """See the module."""
    request = json.load(sys.stdin)
    known = {"aws": clouds.AWS(), "azure": clouds.Azure(), "gcp": clouds.GCP()}
    check.get_cached_enabled_clouds_or_refresh = lambda *_, **__: list(known.values())
    resources_utils.need_to_query_reservations = lambda: False
    enumerated: dict[str, Any] = {}
    inner = optimizer.Optimizer._estimate_nodes_cost_or_time

    def watched(*arguments: Any, **keywords: Any) -> Any:
        start = time.perf_counter()
        enumerated["found"] = inner(*arguments, **keywords)
        enumerated["seconds"] = time.perf_counter() - start
        return enumerated["found"]

    optimizer.Optimizer._estimate_nodes_cost_or_time = staticmethod(watched)
    gb = request["gb"]
    egress = {name: cloud.get_egress_cost(num_gigabytes=gb) for name, cloud in known.items()}
    for dag in request["dags"]:
        with contextlib.redirect_stdout(sys.stderr):
            made, tasks = _dag(dag, gb)
            start = time.perf_counter()
            optimizer.Optimizer.optimize(made, quiet=True)
            seconds = time.perf_counter() - start
        costs = enumerated["found"][0]
        answer = {
            "seconds": seconds,
            "enumeration_s": enumerated["seconds"],
            "egress_usd": egress,
            "offers": {
                name: [[*_named(offer), cost] for offer, cost in costs[task].items()]
                for name, task in tasks.items()
            },
            "chosen": {name: _named(task.best_resources) for name, task in tasks.items()},
        }
        print(json.dumps(answer), flush=True)


def _dag(dag: dict[str, Any], gb: float) -> tuple[Any, dict[str, Any]]:
    tasks: dict[str, Any] = {}
    with sky.Dag() as made:
        for each in dag["tasks"]:
            task = sky.Task(each["name"])
            task.set_resources(
                sky.Resources(cpus=f"{each['cores']}+", memory=f"{each['memory_gib']:g}+")
            )
            task.set_time_estimator(lambda _, hours=each["hours"]: hours * 3600)
            task.set_outputs("CLOUD", estimated_size_gigabytes=gb)
            tasks[each["name"]] = task
        for source, target in dag["edges"]:
            tasks[source] >> tasks[target]
    return made, tasks


def _named(offer: Any) -> list[str]:
    return [str(offer.instance_type), str(offer.cloud).lower(), str(offer.region)]


if __name__ == "__main__":
    main()
