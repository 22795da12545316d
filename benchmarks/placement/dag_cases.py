"""DAGs with real machine and egress prices: a small one, a chain, layers."""

from __future__ import annotations

import csv
import gzip
import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from aiops_provider.placement.dag_cost import DagTask, Offer, Transfer

_GB_PER_GIB = 1.073741824
_FEW_REGIONS = 12
# Needs in vCPU and GiB; hours and GiB handed on are drawn between one and the other.
SHAPES = ((2, 8.0), (4, 16.0), (8, 64.0), (16, 32.0), (32, 128.0))
HOURS = (0.2, 12.0)
_GIB = (0.1, 300.0)


@dataclass(frozen=True, slots=True)
class Case:
    """One DAG; its first tasks are data at fixed regions."""

    name: str
    tasks: tuple[DagTask, ...]
    transfers: tuple[Transfer, ...]
    egress: dict[tuple[str, str], float]
    regions: tuple[str, ...]

    @property
    def combinations(self) -> int:
        """Of one offer per task."""
        return math.prod(len(task.offers) for task in self.tasks)


def cases(data: Path, seed: int) -> list[Case]:
    """All cases; the same for the same files and seed."""
    egress = read_egress(data / "skyplane-network" / "egress_cost_2022-05.csv.gz")
    prices = _read_prices(data / "vm-prices" / "vms.csv.gz", {a for a, _ in egress})
    regions = sorted(set.intersection(*(set(found) for found in prices.values())))
    chance = random.Random(seed)  # noqa: S311 - no secret
    few = tuple(sorted(chance.sample(regions, min(_FEW_REGIONS, len(regions)))))
    shapes = (
        ("chain 5", few[:6], [1] * 5),
        ("chain 20", few, [1] * 20),
        ("layered 10", few, [2, 3, 3, 2]),
        ("layered 20", few, [4] * 5),
        ("layered 20", tuple(regions), [4] * 5),
        ("layered 40", few, [4] * 10),
    )
    return [
        _case(name, places, layers, (prices, egress), chance) for name, places, layers in shapes
    ]


_Prices = dict[tuple[int, float], dict[str, Offer]]
_Egress = dict[tuple[str, str], float]


def _case(
    name: str,
    regions: tuple[str, ...],
    layers: Sequence[int],
    market: tuple[_Prices, _Egress],
    chance: random.Random,
) -> Case:
    """Each task takes from two tasks of the layer before; the first layer from data somewhere."""
    prices, egress = market
    tasks, transfers = [], []
    before: list[str] = []
    for depth, width in enumerate(layers):
        layer = []
        for place in range(width):
            task = f"t{depth}_{place}"
            shape, hours = chance.choice(SHAPES), chance.uniform(*HOURS)
            offers = [prices[shape][region] for region in regions]
            tasks.append(
                DagTask(task, tuple(Offer(o.name, o.place, o.cost * hours) for o in offers))
            )
            sources = chance.sample(before, min(2, len(before)))
            if not before:
                sources = [f"data_{place}"]
                home = chance.choice(regions)
                tasks.append(DagTask(sources[0], (Offer("data", home, 0.0),)))
            transfers += [Transfer(source, task, chance.uniform(*_GIB)) for source in sources]
            layer.append(task)
        before = layer
    return Case(name, tuple(tasks), tuple(transfers), egress, regions)


def read_egress(path: Path) -> dict[tuple[str, str], float]:
    """USD per GiB by pair of regions, the cheapest of a region's zones."""
    found: dict[tuple[str, str], float] = {}
    for row in _rows(path):
        pair = (_region(row["src"]), _region(row["dest"]))
        price = float(row["cost"]) * _GB_PER_GIB
        found[pair] = min(price, found.get(pair, math.inf))
    return found


def _region(name: str) -> str:
    """Google's entries name a zone of the region."""
    cloud, place = name.split(":", 1)
    return f"{cloud}:{place.rsplit('-', 1)[0] if cloud == 'gcp' else place}"


def _read_prices(path: Path, regions: set[str]) -> dict[tuple[int, float], dict[str, Offer]]:
    """By shape and region the cheapest machine that is large enough, USD per hour."""
    found: dict[tuple[int, float], dict[str, Offer]] = {shape: {} for shape in SHAPES}
    for row in _rows(path):
        region = f"{row['cloud']}:{row['region']}"
        if region not in regions or not row["price_usd_per_h"]:
            continue
        offer = Offer(row["instance_type"], region, float(row["price_usd_per_h"]))
        for (cores, memory_gib), best in found.items():
            if float(row["vcpus"]) >= cores and float(row["memory_gib"]) >= memory_gib:
                known = best.get(region)
                if known is None or (offer.cost, offer.name) < (known.cost, known.name):
                    best[region] = offer
    return found


def _rows(path: Path) -> Iterator[dict[str, str]]:
    with gzip.open(path, "rt", newline="") as stream:
        yield from csv.DictReader(stream)
