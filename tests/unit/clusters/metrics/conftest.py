"""A cluster to ask about."""

from __future__ import annotations

import pytest

from aiops_provider.domain.cluster import Capacity, ClusterSpec, Pool


@pytest.fixture
def cluster():
    """Makes one of a kind."""

    def make(kind="local", **options):
        pool = Pool(
            name="default",
            machine=Capacity(cores=1, memory_gib=1),
            max_instances=1,
            price_usd_per_hour=None,
        )
        return ClusterSpec(
            name="c",
            kind=kind,
            provider="aws",
            region="eu-central-1",
            pools=(pool,),
            options=options,
        )

    return make
