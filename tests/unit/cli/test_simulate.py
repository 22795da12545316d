"""``aiops simulate``: a table for people, JSON for scripts, a clear refusal."""

import pytest

CONFIG = """\
clusters:
  - name: near
    kind: local
    provider: on_premises
    region: r
    pools: [{name: p, machine: {cores: 4, memory_gib: 16}, max_instances: 1, price_usd_per_hour: 2.0}]
  - name: far
    kind: local
    provider: there
    region: s
    pools: [{name: p, machine: {cores: 4, memory_gib: 16}, max_instances: 2, price_usd_per_hour: 1.0}]
"""
TRACE = """\
arrived_at,task,duration_s,cores,memory_gib,deadline_s
2026-03-02T00:00:00Z,a/b,3600,4,4,3600
2026-03-02T00:00:00Z,a/c,3600,4,4,3600
2026-03-02T00:30:00Z,a/b,3600,4,4,5400
"""


@pytest.fixture
def folder(aiops, tmp_path):
    (tmp_path / "aiops.yaml").write_text(CONFIG)
    (tmp_path / "trace.csv").write_text(TRACE)
    return tmp_path


def test_figures_of_each_policy(aiops, folder):
    """The single cluster queues; the others pay what their machines cost."""
    answer = aiops("simulate", "trace.csv", "--single", "near", "--output", "json")
    assert 0 == answer.status
    by_policy = {each["policy"]: each["figures"] for each in answer.data}
    assert ["aiops", "single_cluster", "cheapest_first", "round_robin"] == list(by_policy)
    assert 6.0 == pytest.approx(by_policy["single_cluster"]["cost_usd"])
    assert 1 / 3 == pytest.approx(by_policy["single_cluster"]["sla_attainment"])
    assert (1.0, 0) == (by_policy["aiops"]["sla_attainment"], by_policy["aiops"]["lost"])
    assert 4.0 == pytest.approx(by_policy["aiops"]["cost_usd"])
    assert not list(folder.glob("*.db"))


def test_a_table_for_people(aiops, folder):
    """Policies, then clusters."""
    answer = aiops("simulate", "trace.csv", "--policy", "cheapest_first")
    assert 0 == answer.status
    for words in ("Policies", "cheapest_first", "Clusters", "near", "far", "SLA"):
        assert words in answer.out
    assert "round_robin" not in answer.out


def test_what_fits_nowhere_is_said(aiops, folder):
    """On stderr, and counted."""
    (folder / "trace.csv").write_text(TRACE.replace("3600,4,4,3600", "3600,64,4,3600"))
    answer = aiops("simulate", "trace.csv", "--output", "json")
    assert {2} == {each["figures"]["refused"] for each in answer.data}
    assert "cheapest_first: " in answer.err
    assert "aiops: " in answer.err


def test_bad_input_is_refused(aiops, folder):
    """Exit status 2 with the place."""
    (folder / "trace.csv").write_text(TRACE.replace("3600,4,4,3600", "soon,4,4,3600"))
    answer = aiops("simulate", "trace.csv")
    assert (2, "") == (answer.status, answer.out)
    assert "trace.csv:2: duration_s: is no number" in answer.err


def test_prices_that_change(aiops, folder):
    """From the second half hour on the far cluster costs what the near one does; a bad row is refused."""
    (folder / "prices.csv").write_text(
        "at,cluster,price_usd_per_hour\n2026-03-02T00:30:00Z,far,2.0\n"
    )
    answer = aiops(
        "simulate",
        "trace.csv",
        *("--prices", "prices.csv", "--policy", "single_cluster", "--single", "far"),
        *("--output", "json"),
    )
    assert 0 == answer.status
    # Two run from the hour on, the third waits for their machines and pays the new price alone.
    assert 2 * (0.5 + 1.0) + 2.0 == pytest.approx(answer.data[0]["figures"]["cost_usd"])
    (folder / "prices.csv").write_text("at,cluster,price_usd_per_hour\n2026-03-02,far,2.0\n")
    refused = aiops("simulate", "trace.csv", "--prices", "prices.csv")
    assert 2 == refused.status
    assert "prices.csv:2: at: has no time zone" in refused.err
