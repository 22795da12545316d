"""What moving data costs, from the catalogue and the settings, as the planner wants to know it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from aiops_provider.domain.cluster import ClusterSpec

if TYPE_CHECKING:
    from aiops_provider.catalog.catalog import Catalog
    from aiops_provider.settings.schema import Settings


def egress_prices(
    settings: Settings, clusters: Sequence[ClusterSpec]
) -> Mapping[str, Mapping[str, float]]:
    """
    Prices of moving data to the regions of the clusters.

    A task names the region of its data without a provider. Where two providers have a region of
    that name the dearer price counts, so that no plan looks cheaper than it is; only prices to the
    clusters' own providers are asked for.

    Args:
        settings: With the catalogue, and the user's own prices, which win.
        clusters: Where data may have to go.

    Returns:
        USD per GiB by region of the data, then region of the cluster; what is unknown is left out.
    """
    prices: dict[str, dict[str, float]] = defaultdict(dict)
    for provider, region in {(cluster.provider, cluster.region) for cluster in clusters}:
        for source, usd in _listed(settings.open_catalog, provider, region).items():
            prices[source][region] = max(usd, prices[source].get(region, 0.0))
    for own in settings.catalog.egress:
        prices[own.from_region][own.to_region] = own.usd_per_gib
    return dict(prices)


def _listed(catalog: Catalog, provider: str, region: str) -> dict[str, float]:
    """The dearest known price to that region, by name of the region where the data is."""
    found: dict[str, float] = {}
    for maker, source in catalog.egress_regions():
        usd = catalog.egress_usd_per_gib(maker, source, provider, region)
        if usd is not None:
            found[source] = max(usd, found.get(source, 0.0))
    return found
