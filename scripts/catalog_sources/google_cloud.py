"""Google Cloud: shapes as gcloud lists them, accelerators beside them, prices from karpenter."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

from aiops_provider.domain.cluster import Purchase
from aiops_provider.domain.machine import InstanceType, Price
from scripts.catalog_sources.row import price_of, read_csv, source_date

_WANTED = re.compile(
    r"(n2|n4)-(standard|highmem|highcpu)-(2|4|8|16|32|64)|n2d-standard-(8|16|32)"
    r"|(c3|c4)-standard-(8|22|24|44|48)|e2-standard-(2|4|8|16|32)"
    r"|g2-standard-(4|8|12|16|24|32|48|96)|a2-highgpu-[1248]g|a2-megagpu-16g|a2-ultragpu-[1248]g"
    r"|a3-highgpu-[1248]g"
)
# Keys of the accelerators in the file; the 80 GB of the A100 are those of the SXM form.
_ACCELERATORS = {
    "t4": "T4",
    "l4": "L4",
    "a100": "A100",
    "a100-80gb": "A100-80GB",
    "h100-80gb": "H100",
}
_PURCHASES = ("on_demand", "spot")


def machines(folder: Path) -> Iterator[InstanceType]:
    """The selected types with their shapes; their network and disks are not in the files."""
    accelerators = _accelerators(folder)
    for row in read_csv(folder / "google_machines.csv", delimiter=";"):
        name = row["NAME"]
        if row["DEPRECATED"] or not _WANTED.fullmatch(name):
            continue
        model, count = accelerators.get(name, (None, 0))
        if name[:2] in {"a2", "a3", "g2"} and model is None:
            continue  # that it has one is certain, which one is not
        yield InstanceType(
            provider="google_cloud",
            name=name,
            cores=float(row["CPUS"]),
            memory_gib=float(row["MEMORY_GB"]),
            accelerator=model,
            accelerator_count=count,
            architecture="x86_64",
            source="gcosts",
            observed_on=source_date("gcosts"),
        )


def prices(
    folder: Path, machines: Sequence[InstanceType], regions: Sequence[str]
) -> Iterator[Price]:
    """On-demand and spot prices of Linux machines."""
    ours = [row.name for row in machines if row.provider == "google_cloud"]
    listed = json.loads((folder / "google_prices.json").read_bytes())["prices"]
    for region in regions:
        for purchase in _PURCHASES:
            for name in ours:
                if (usd := listed[region][purchase].get(name)) is not None:
                    where = "google_cloud", region, name
                    yield price_of(where, usd, "karpenter-gcp", Purchase(purchase))


def _accelerators(folder: Path) -> dict[str, tuple[str, int]]:
    listed: dict[str, Any] = yaml.safe_load((folder / "google_accelerators.yml").read_bytes())
    found = {}
    for name, parts in listed["compute"]["instance"].items():
        for key, model in _ACCELERATORS.items():
            if key in parts:
                found[name] = (model, int(parts[key]))
    return found
