"""
AWS: shapes from moto and, of P3, from a table kept by hand, prices of us-east-1 from karpenter-provider-aws, others from libcloud.

libcloud's prices mix tenancies and are older, so one of another region is only kept where the
price of us-east-1 beside it still holds and where its ratio to us-east-1 is that of its family.
"""

from __future__ import annotations

import gzip
import json
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from aiops_provider.catalog.clouds.aws import machine
from aiops_provider.domain.machine import InstanceType, Price
from scripts.catalog_sources.row import price_of, source_date

_GENERAL = ("m6i", "m7i", "m7g", "c6i", "c7i", "c7g", "r6i", "r7i")
_GENERAL_SIZES = ("large", "xlarge", "2xlarge", "4xlarge", "8xlarge", "16xlarge")
_ACCELERATED = re.compile(
    r"(g4dn|g5|g6|g6e)\.(xlarge|2xlarge|4xlarge|8xlarge|12xlarge|16xlarge|24xlarge|48xlarge)|g4dn\.metal"
    r"|p3dn\.24xlarge|p4de?\.24xlarge|p5\.(4|48)xlarge|p5en\.48xlarge"
    r"|p6-b200\.48xlarge"
)
_TOLERANCE = 0.01
_FAMILY_TOLERANCE = 0.03
# At least this many types of a family tell what its ratio between two regions is.
_FAMILY_SIZE = 3
_HOME = "us-east-1"


def machines(folder: Path) -> Iterator[InstanceType]:
    """The selected types with their shapes."""
    with gzip.open(folder / "aws_machines.json.gz") as packed:
        types: dict[str, dict[str, Any]] = json.load(packed)
    wanted = {f"{family}.{size}" for family in _GENERAL for size in _GENERAL_SIZES}
    for name, shape in sorted(types.items()):
        if name in wanted or _ACCELERATED.fullmatch(name):
            yield machine(shape, "moto", source_date("moto"))


def prices(
    folder: Path, machines: Sequence[InstanceType], regions: Sequence[str]
) -> Iterator[Price]:
    """On-demand prices of Linux machines."""
    ours = [row.name for row in machines if row.provider == "aws"]
    at_home = _home_prices(folder)
    old = json.loads((folder / "libcloud_prices.json").read_bytes())["compute"]["ec2_linux"]
    for name in ours:
        if name in at_home:
            yield price_of(("aws", _HOME, name), at_home[name], "karpenter-aws")
    for region in regions:
        if region == _HOME:
            continue
        typical = _family_ratios(old, at_home, region)
        for name in ours:
            ratio = _ratio(old, at_home, name, region)
            usual = typical.get(name.partition(".")[0])
            if ratio and usual and abs(ratio / usual - 1) <= _FAMILY_TOLERANCE:
                yield price_of(("aws", region, name), old[name][region], "libcloud")


def _home_prices(folder: Path) -> dict[str, float]:
    text = (folder / "aws_prices.go").read_text(encoding="utf-8")
    return {name: float(usd) for name, usd in re.findall(r'"([\w-]+\.[\w-]+)": ([\d.]+)', text)}


def _ratio(
    old: dict[str, dict[str, float]], at_home: dict[str, float], name: str, region: str
) -> float | None:
    """Price of the region in multiples of that of home, where the old one of home still holds."""
    home, there = old.get(name, {}).get(_HOME), old.get(name, {}).get(region)
    if not home or not there or name not in at_home:
        return None  # libcloud writes 0 for a price that it could not read
    return there / home if abs(home / at_home[name] - 1) <= _TOLERANCE else None


def _family_ratios(
    old: dict[str, dict[str, float]], at_home: dict[str, float], region: str
) -> dict[str, float]:
    ratios = defaultdict(list)
    for name in old:
        if (ratio := _ratio(old, at_home, name, region)) is not None:
            ratios[name.partition(".")[0]].append(ratio)
    return {family: median(all_) for family, all_ in ratios.items() if len(all_) >= _FAMILY_SIZE}
