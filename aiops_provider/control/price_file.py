"""
How prices change in the course of a replay, from CSV, JSON lines or Parquet.

A row per change, such as the price history of a cloud's spot machines:

================== ==============================================================================
cluster            name, as in aiops.yaml
pool               name of the pool (optional: all of them)
purchase           on_demand, spot or reserved: of the pools only those (optional: all of them)
at                 ISO 8601 with time zone: from when on it holds, until the pool's next row
price_usd_per_hour of one machine
================== ==============================================================================

Until a pool's first row its price is that of aiops.yaml.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

from aiops_provider.control.row_file import Row
from aiops_provider.control.trace_file import (
    check_columns,
    named_pools,
    needed_moment,
    trace_rows,
)
from aiops_provider.domain.cluster import ClusterSpec, Purchase
from aiops_provider.errors import DataError
from aiops_provider.placement.price_series import PriceChange, PriceSeries
from aiops_provider.settings.explain import did_you_mean

_SECOND = timedelta(seconds=1)
PRICE_COLUMNS = ("at", "cluster", "pool", "purchase", "price_usd_per_hour")


def read_prices(path: Path, clusters: Sequence[ClusterSpec], begin: datetime) -> PriceSeries:
    """
    Read how prices change.

    Args:
        path: See above.
        clusters: That may be named.
        begin: From which seconds are counted; what changed last before it holds then.

    Raises:
        DataError: The first problem, with file, line, field, value and mend.
    """
    found: dict[tuple[tuple[str, str], datetime], PriceChange] = {}
    for row in trace_rows(path):
        check_columns(row, PRICE_COLUMNS)
        at, usd_per_hour = needed_moment(row, "at"), row.number("price_usd_per_hour")
        if usd_per_hour is None:
            mend = "Give USD for one machine for one hour, or leave the row out."
            raise row.wrong("price_usd_per_hour", "is missing", mend)
        for place in _places(row, clusters):
            if (place, at) in found:
                raise row.wrong(
                    "at",
                    f"is there twice for pool {place[1]} of {place[0]}",
                    "Leave one of the rows out, or name other pools.",
                )
            found[place, at] = PriceChange(
                place=place, at_s=(at - begin) / _SECOND, usd_per_hour=usd_per_hour
            )
    if not found:
        raise DataError(
            "holds no price",
            file=str(path),
            mend="Give it rows of at, cluster, price_usd_per_hour.",
        )
    return PriceSeries(found.values())


def _places(row: Row, clusters: Sequence[ClusterSpec]) -> list[tuple[str, str]]:
    name, pools = named_pools(row, clusters)
    wanted, known = row.text("purchase", ""), [each.value for each in Purchase]
    if wanted and wanted not in known:
        raise row.wrong("purchase", "is no way to buy machines", did_you_mean(wanted, known))
    meant = [(name, pool.name) for pool in pools if wanted in ("", pool.purchase.value)]
    if not meant:
        bought = ", ".join(f"{pool.name} is {pool.purchase.value}" for pool in pools)
        mend = f"Here {bought}; mend it, or leave the row out."
        raise row.wrong("purchase", f"no such pool of {name} is bought so", mend)
    return meant
