"""What may be said about a Kubernetes cluster, and what is said about mistakes."""

import pytest

from aiops_provider.clusters.registry import cluster_kind
from aiops_provider.control.kubernetes_pods import options_of
from aiops_provider.domain.cluster import Capacity, ClusterSpec, Pool
from aiops_provider.errors import ConfigurationError


def spec(**options) -> ClusterSpec:
    pool = Pool(
        name="spot",
        machine=Capacity(cores=1, memory_gib=1),
        max_instances=1,
        price_usd_per_hour=None,
    )
    return ClusterSpec(
        name="eks", kind="kubernetes", provider="aws", region="r", pools=(pool,), options=options
    )


def test_nothing_needs_to_be_said():
    """The current context of the kubeconfig, and the namespace of the host's configuration."""
    assert [] == cluster_kind("kubernetes").validate(spec())
    assert options_of(spec()).context is None


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"contxt": "a"}, "options.contxt: there is no such option. Known: accelerator_labels"),
        (
            {"in_cluster": True, "context": "a"},
            "options.in_cluster: a context or kubeconfig is given",
        ),
        ({"pools": {"sopt": {}}}, "options.pools.sopt: the cluster has no such pool. Known: spot"),
        ({"labels": {"owner": "a b"}}, "options.labels: Value error, owner: a label is at most 63"),
        ({"pending_timeout_s": 0}, "options.pending_timeout_s: Input should be greater than 0"),
    ],
)
def test_options_that_cannot_work_are_named(options, sentence):
    """Field, problem, and what to do."""
    (problem,) = cluster_kind("kubernetes").validate(spec(**options))
    assert problem.startswith(sentence)
    with pytest.raises(ConfigurationError, match=r"clusters\.eks"):
        options_of(spec(**options))
