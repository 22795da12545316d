"""Whether a cluster answers and would take pods, asked by the genuine client over real HTTP."""

import time

import pytest

from aiops_provider.clusters.registry import open_probe
from aiops_provider.domain.cluster import Capacity, ClusterSpec, Pool
from aiops_provider.errors import ClusterUnreachableError

pytest.importorskip("kubernetes", reason="the extra kubernetes is not installed")

pytestmark = pytest.mark.filterwarnings("default")  # the client's own


def probe(server, **options):
    pool = Pool(
        name="default",
        machine=Capacity(cores=1, memory_gib=1),
        max_instances=1,
        price_usd_per_hour=None,
    )
    given = {"kubeconfig": str(server.kubeconfig), **options}
    spec = ClusterSpec(
        name="eks", kind="kubernetes", provider="aws", region="r", pools=(pool,), options=given
    )
    return open_probe(spec, timeout_s=1.0)


def test_a_cluster_that_answers_and_takes_pods_is_healthy(kubernetes):
    """Again and again, on one connection."""
    check = probe(kubernetes)
    assert [None, None] == [check(), check()]


@pytest.mark.parametrize(
    ("context", "why"),
    [
        ("viewer@here", "its credentials may not create pods in namespace default"),
        ("nobody@here", "its API server answers 401 Unauthorized"),
        ("nowhere", "its credentials cannot be used: .*nowhere"),
    ],
)
def test_why_it_is_not_is_said(kubernetes, context, why):
    """In one sentence."""
    with pytest.raises(ClusterUnreachableError, match=why):
        probe(kubernetes, context=context)()


def test_a_server_that_hangs_is_given_up_on(kubernetes):
    """Within the time limit, and it counts as healthy again once it goes on."""
    check = probe(kubernetes)
    check()
    kubernetes.freeze()
    with pytest.raises(ClusterUnreachableError, match="does not answer"):
        check()
    kubernetes.thaw()
    check()


def test_a_server_that_is_gone_is_said_to_be(kubernetes):
    """Nobody listens there."""
    check = probe(kubernetes)
    check()
    kubernetes.process.terminate()
    kubernetes.process.wait(10)
    with pytest.raises(ClusterUnreachableError, match="does not answer"):
        check()


def test_rights_are_asked_for_now_and_then(kubernetes, monkeypatch):
    """They can be taken away while the server goes on answering."""
    check = probe(kubernetes)
    check()
    asked = []
    monkeypatch.setattr(
        "aiops_provider.clusters.kubernetes.health._ask_rights", lambda *_: asked.append(1)
    )
    check()
    assert not asked
    began = time.monotonic()
    monkeypatch.setattr(
        "aiops_provider.clusters.kubernetes.health.time",
        type("Later", (), {"monotonic": staticmethod(lambda: began + 120)}),
    )
    check()
    assert asked
