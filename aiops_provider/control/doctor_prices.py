"""The doctor's check of the prices that plans are made from: known, and not too old."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from aiops_provider.control.finding import Finding, fine, warned
from aiops_provider.domain.machine import Price
from aiops_provider.settings.schema import Settings

_REFRESH = "`aiops catalog refresh`, or give price_usd_per_hour."


def check_prices(settings: Settings, today: date) -> Iterator[Finding]:
    """
    Look at every pool whose price is the catalogue's.

    Args:
        settings: With clusters and catalogue.
        today: For the age of prices.
    """
    used: list[Price] = []
    for cluster in settings.clusters:
        for pool in cluster.pools:
            if pool.instance_type is None or pool.price_usd_per_hour is not None:
                continue
            where = f"pool {pool.label} of cluster {cluster.name}"
            price = settings.open_catalog.price(
                cluster.provider, cluster.region, pool.instance_type, pool.purchase
            )
            if price is None:
                detail = f"{where} has no known {pool.purchase.value} price: plans avoid it"
                yield warned("prices", detail, _REFRESH)
                continue
            used.append(price)
            if price.stale(today):
                detail = f"the price of {where} is {price.age_days(today)} days old"
                yield warned("prices", detail, _REFRESH)
    if used and not any(price.stale(today) for price in used):
        oldest = max(price.age_days(today) for price in used)
        yield fine("prices", f"{len(used)} from the catalogue, the oldest {oldest} days old")
