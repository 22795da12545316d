"""
Places DAGs at SkyPilot's own prices beside SkyPilot's optimizer: equal cost, in what time?

``python -m benchmarks.placement.dag_skypilot --skypilot PYTHON [--data FOLDER] [--seed N]``, where
PYTHON is the interpreter of an environment with ``skypilot==0.14.1`` and nothing of ours. SkyPilot reads
the price list in its own format, enumerates offers for every task and chooses; ours chooses among the
very offers that it enumerated, with its egress prices, which are per cloud.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import os
import random
import subprocess
import tempfile
import time
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any

from aiops_provider.placement.dag_cost import DagTask, Offer, Transfer, place_dag
from benchmarks.command import Options, run
from benchmarks.placement.dag_cases import HOURS, SHAPES
from benchmarks.report import Must, Report, at_most

# Of every transfer: SkyPilot's price per GB depends on how much is moved, ours does not.
_GB = 100.0
_GIB = 1.0
_EQUAL = 1e-6
_REPEATS = 3
_DAGS = (
    ("chain 5", [1] * 5),
    ("chain 20", [1] * 20),
    ("layered 10", [2, 3, 3, 2]),
    ("layered 20", [4] * 5),
)
_COLUMNS = (
    "InstanceType",
    "AcceleratorName",
    "AcceleratorCount",
    "vCPUs",
    "MemoryGiB",
    "GpuInfo",
    "Price",
    "SpotPrice",
    "Region",
    "AvailabilityZone",
    "Generation",
    "Arch",
)
_CATALOG = ".sky/catalogs/v8"


def main() -> int:
    """See the module."""
    return run("placement", measure, add_options=_options)


def measure(options: Options) -> Report:
    """Both on all DAGs."""
    dags = [_dag(layers, random.Random(options.seed + n)) for n, (_, layers) in enumerate(_DAGS)]  # noqa: S311
    answers = _ask_skypilot(options.extra.skypilot, options.data / "vm-prices" / "vms.csv.gz", dags)
    rows: list[dict[str, object]] = []
    musts: list[Must] = []
    for (name, _), dag, answer in zip(_DAGS, dags, answers, strict=True):
        tasks, transfers, egress = _ours(dag, answer)
        seconds = []
        for _ in range(_REPEATS):
            start = time.perf_counter()
            found = place_dag(tasks, transfers, egress)
            seconds.append(time.perf_counter() - start)
        theirs = _cost(dag, answer, egress)
        choosing = answer["seconds"] - answer["enumeration_s"]
        offers = sum(len(task.offers) for task in tasks)
        rows += [
            _row(name, tasks, transfers, offers, "SkyPilot 0.14.1", theirs, choosing)
            | {"enumeration_s": answer["enumeration_s"]},
            _row(name, tasks, transfers, offers, f"aiops, {found.method}", found.cost, min(seconds))
            | {"enumeration_s": None},
        ]
        musts.append(
            at_most(
                f"{name}: cost above SkyPilot's, relative",
                (found.cost - theirs) / max(theirs, _EQUAL),
                _EQUAL,
            )
        )
        if name == "layered 20":
            musts.append(at_most(f"{name}: seconds", min(seconds), 2.0))
            musts.append(at_most(f"{name}: seconds (aim)", min(seconds), 0.2))
    return Report(
        bench="placement.dag_skypilot",
        data="vm-prices",
        seed=options.seed,
        rows=rows,
        musts=musts,
        notes=[
            "seconds: choosing among the offers, without enumerating them, which SkyPilot does for "
            f"each DAG anew; ours the best of {_REPEATS}, SkyPilot's of one run.",
            f"Egress as SkyPilot has it: per cloud, nothing between regions of one cloud; {_GB:g} GB "
            "at every transfer, since its price per GB depends on the amount.",
            "Machines without accelerators of three clouds; no cloud was asked, reservations count as "
            "none.",
        ],
    )


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--skypilot",
        type=Path,
        required=True,
        metavar="PYTHON",
        help="interpreter of an environment with skypilot==0.14.1",
    )


def _dag(layers: Sequence[int], chance: random.Random) -> dict[str, Any]:
    """Each task takes from two tasks of the layer before."""
    tasks: list[dict[str, Any]] = []
    edges: list[tuple[str, str]] = []
    before: list[str] = []
    for depth, width in enumerate(layers):
        layer = []
        for place in range(width):
            cores, memory_gib = chance.choice(SHAPES)
            name = f"t{depth}_{place}"
            tasks.append(
                {
                    "name": name,
                    "cores": cores,
                    "memory_gib": memory_gib,
                    "hours": chance.uniform(*HOURS),
                }
            )
            edges += [(source, name) for source in chance.sample(before, min(2, len(before)))]
            layer.append(name)
        before = layer
    return {"tasks": tasks, "edges": edges}


def _ask_skypilot(
    python: Path, prices: Path, dags: Sequence[dict[str, Any]]
) -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory() as home:
        _write_catalogs(prices, Path(home) / _CATALOG)
        done = subprocess.run(  # noqa: S603 - the interpreter is the user's own
            [str(python), str(Path(__file__).with_name("skypilot_optimizer.py"))],
            input=json.dumps({"gb": _GB, "dags": list(dags)}),
            capture_output=True,
            text=True,
            check=False,
            env={
                "HOME": home,
                "PATH": os.environ.get("PATH", ""),
                "SKYPILOT_DISABLE_USAGE_COLLECTION": "1",
            },
        )
    if done.returncode:
        raise RuntimeError(f"SkyPilot failed:\n{done.stderr[-3000:]}")
    return [json.loads(line) for line in done.stdout.splitlines()]


def _write_catalogs(prices: Path, folder: Path) -> None:
    with gzip.open(prices, "rt", newline="") as stream:
        rows = [row for row in csv.DictReader(stream) if row["price_usd_per_h"]]
    for cloud in sorted({row["cloud"] for row in rows}):
        (folder / cloud).mkdir(parents=True)
        with (folder / cloud / "vms.csv").open("w", newline="") as out:
            writer = csv.DictWriter(out, _COLUMNS, restval="")
            writer.writeheader()
            for row in rows:
                if row["cloud"] == cloud and not float(row["gpu_count"] or 0):
                    writer.writerow(
                        {
                            "InstanceType": row["instance_type"],
                            "vCPUs": row["vcpus"],
                            "MemoryGiB": row["memory_gib"],
                            "Price": row["price_usd_per_h"],
                            "Region": row["region"],
                            "AvailabilityZone": f"{row['region']}-a",
                        }
                    )


def _ours(
    dag: dict[str, Any], answer: dict[str, Any]
) -> tuple[tuple[DagTask, ...], tuple[Transfer, ...], dict[tuple[str, str], float]]:
    tasks = tuple(
        DagTask(
            name,
            tuple(
                Offer(machine, f"{cloud}:{region}", cost) for machine, cloud, region, cost in own
            ),
        )
        for name, own in answer["offers"].items()
    )
    # One unit of data per transfer, at the price of all of it.
    transfers = tuple(Transfer(source, target, _GIB) for source, target in dag["edges"])
    places = sorted({offer.place for task in tasks for offer in task.offers})
    usd = answer["egress_usd"]
    egress = {
        (one, other): 0.0 if _cloud(one) == _cloud(other) else usd[_cloud(one)]
        for one, other in product(places, places)
    }
    return tasks, transfers, egress


def _cost(
    dag: dict[str, Any], answer: dict[str, Any], egress: dict[tuple[str, str], float]
) -> float:
    """Of SkyPilot's choice, from its own offers."""
    place, total = {}, 0.0
    for name, (machine, cloud, region) in answer["chosen"].items():
        place[name] = f"{cloud}:{region}"
        total += next(
            cost
            for offered, on, where, cost in answer["offers"][name]
            if (offered, on, where) == (machine, cloud, region)
        )
    return total + sum(egress[place[one], place[other]] for one, other in dag["edges"])


def _cloud(place: str) -> str:
    return place.partition(":")[0]


def _row(  # noqa: PLR0917
    name: str,
    tasks: Sequence[DagTask],
    transfers: Sequence[Transfer],
    offers: int,
    peer: str,
    cost: float,
    seconds: float,
) -> dict[str, object]:
    return {
        "DAG": name,
        "tasks": len(tasks),
        "transfers": len(transfers),
        "offers": offers,
        "peer": peer,
        "cost USD": round(cost, 4),
        "seconds": seconds,
    }


if __name__ == "__main__":
    raise SystemExit(main())
