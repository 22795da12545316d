"""Clusters as users could have them, drawn from the price list of the three clouds."""

from __future__ import annotations

import csv
import gzip
import io
import random
from collections.abc import Collection
from pathlib import Path

from aiops_provider.domain.cluster import Capacity, ClusterSpec, Pool

_MOST_CORES = 256.0
_LEAST_CORES = 4.0


def read_rows(path: Path) -> list[dict[str, str]]:
    """A CSV file, compressed or not, as dictionaries."""
    content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    return list(csv.DictReader(io.StringIO(content.decode())))


def priced_machines(data: Path) -> dict[tuple[str, str], list[dict[str, str]]]:
    """Machine types with a price by cloud and region, of a size that clusters are made of."""
    found: dict[tuple[str, str], list[dict[str, str]]] = {}
    for row in read_rows(data / "vm-prices" / "vms.csv.gz"):
        if row["price_usd_per_h"] and _LEAST_CORES <= float(row["vcpus"]) <= _MOST_CORES:
            found.setdefault((row["cloud"], row["region"]), []).append(row)
    return found


def draw_clusters(
    data: Path,
    count: int,
    random_source: random.Random,
    *,
    pools: int = 3,
    machines: tuple[int, int] = (2, 40),
    regions: Collection[tuple[str, str]] | None = None,
    accelerated_share: float = 0.25,
) -> tuple[ClusterSpec, ...]:
    """
    Clusters of a few machine types each, at list prices.

    Args:
        data: Folder of the placement data.
        count: How many clusters.
        random_source: Seeded.
        pools: Machine types of each cluster.
        machines: Fewest and most machines of a pool.
        regions: Cloud and region to draw from; default: all on the price list.
        accelerated_share: Of the clusters; there the region's accelerators come first.
    """
    by_region = priced_machines(data)
    places = sorted(place for place in by_region if regions is None or place in regions)
    clusters = []
    for number in range(count):
        cloud, region = random_source.choice(places)
        offered = by_region[cloud, region]
        accelerated = [row for row in offered if float(row["gpu_count"] or 0) >= 1]
        chosen = random_source.sample(offered, min(pools, len(offered)))
        if accelerated and random_source.random() < accelerated_share:
            chosen[0] = random_source.choice(accelerated)
        clusters.append(
            ClusterSpec(
                name=f"c{number:04d}-{cloud}-{region}",
                kind="kubernetes",
                provider=cloud,
                region=region,
                pools=tuple(
                    _pool(row, f"p{k}", random_source.randint(*machines))
                    for k, row in enumerate(chosen)
                ),
            )
        )
    return tuple(clusters)


def _pool(row: dict[str, str], name: str, machines: int) -> Pool:
    gpus = int(float(row["gpu_count"] or 0))
    return Pool(
        name=name,
        machine=Capacity(
            cores=float(row["vcpus"]),
            memory_gib=float(row["memory_gib"]),
            accelerators={row["gpu_name"] or "gpu": gpus} if gpus else {},
        ),
        max_instances=machines,
        price_usd_per_hour=float(row["price_usd_per_h"]),
        instance_type=row["instance_type"],
    )
