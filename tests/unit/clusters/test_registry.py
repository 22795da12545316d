from __future__ import annotations

from importlib.metadata import EntryPoint

import pytest

from aiops_provider.clusters import plug_ins, registry
from aiops_provider.clusters.local import KIND, LocalPool
from aiops_provider.domain.cluster import Capacity, ClusterSpec, Pool
from aiops_provider.errors import ConfigurationError


@pytest.fixture
def plug_in(monkeypatch):
    """Install an entry point for the duration of a test."""

    def install(name, value):
        point = EntryPoint(name=name, value=value, group=registry.KINDS.group)
        monkeypatch.setattr(plug_ins, "entry_points", lambda group: [point])

    return install


def _spec(kind="local", **options):
    machine = Capacity(cores=1, memory_gib=1)
    pools = (Pool(name="p", machine=machine, max_instances=1, price_usd_per_hour=None),)
    return ClusterSpec(
        name="c", kind=kind, provider="aws", region="r", pools=pools, options=options
    )


def test_local_is_built_in():
    """The local kind is there even where the package is on the path without being installed."""
    assert "local" in registry.kind_names()
    assert registry.cluster_kind("local") is KIND


def test_open_cluster():
    """Opening a cluster makes the client of its kind and starts nothing."""
    client = registry.open_cluster(_spec())
    assert isinstance(client, LocalPool)
    assert (client.name, client.alive) == ("c", False)


def test_unknown_kind():
    """An unknown kind is refused with the list of the known ones."""
    with pytest.raises(
        ConfigurationError, match=r"kind: no such kind of cluster \(got 'nomad'\)"
    ) as caught:
        registry.open_cluster(_spec("nomad"))
    assert "Known: aws_batch, aws_ecs, azure_batch, celery, google_batch, kubernetes, local" in str(
        caught.value
    )


def test_plug_in(plug_in):
    """A kind that another package brings is found by its entry point."""
    plug_in("mine", "aiops_provider.clusters.local:KIND")
    assert registry.kind_names() == (
        "aws_batch",
        "aws_ecs",
        "azure_batch",
        "celery",
        "google_batch",
        "kubernetes",
        "local",
        "mine",
    )
    assert registry.cluster_kind("mine") is KIND


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("no_such_package.kind:KIND", "cannot be loaded .No module named 'no_such_package'"),
        ("aiops_provider.clusters:NO_SUCH_KIND", "cannot be loaded"),
        ("aiops_provider.clusters.registry:kind_names", "is no ClusterKind but function"),
    ],
)
def test_broken_plug_in(plug_in, value, message):
    """A plug-in that cannot be used is named in the error."""
    plug_in("mine", value)
    with pytest.raises(ConfigurationError, match=message):
        registry.cluster_kind("mine")


def test_options_that_local_does_not_have():
    """A misspelt option is refused by name."""
    with pytest.raises(
        ConfigurationError, match=r"clusters.c: options.context: the kind local has no"
    ):
        registry.open_cluster(_spec(context="x"))
