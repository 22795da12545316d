"""Prices that change in a replay: the file is checked, every policy goes by them, the cost is theirs."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import pytest

from aiops_provider.control.price_file import read_prices
from aiops_provider.control.simulate import PolicyName, simulate
from aiops_provider.errors import DataError
from aiops_provider.settings.schema import Settings

BEGIN = datetime(2026, 3, 2, tzinfo=UTC)
HEADER = "at,cluster,pool,purchase,price_usd_per_hour\n"
DAYS, LASTS_S = 4, 1800
# From noon of the third day until eight in the evening "usual" costs four times as much.
DEAR_FROM, DEAR_UNTIL = BEGIN + timedelta(hours=60), BEGIN + timedelta(hours=68)


def _cluster(name: str, price: float | None) -> dict[str, object]:
    machine = {"cores": 8, "memory_gib": 32}
    pools = [
        {"name": "p", "machine": machine, "max_instances": 2, "price_usd_per_hour": price},
    ]
    return {"name": name, "kind": "local", "provider": name, "region": "r", "pools": pools}


def _settings(usual: float | None = 1.0, other: float = 2.0) -> Settings:
    clusters = [_cluster("usual", usual), _cluster("other", other)]
    return Settings.model_validate({"clusters": clusters, "fallback_cluster": "usual"})


@pytest.fixture
def trace(tmp_path):
    """Two cores for half an hour, every quarter before the hour: each run sees two hours."""
    rows = ["arrived_at,task,duration_s,cores,memory_gib\n"]
    for hour in range(24 * DAYS):
        at = BEGIN + timedelta(hours=hour, minutes=45)
        rows.append(f"{at.isoformat()},etl/hourly,{LASTS_S},2,4\n")
    file = tmp_path / "trace.csv"
    file.write_text("".join(rows))
    return file


@pytest.fixture
def prices(tmp_path):
    """Said once before the begin, then at noon and in the evening."""
    file = tmp_path / "prices.csv"
    file.write_text(
        HEADER
        + "2026-03-01T00:00:00Z,usual,,,1.0\n"
        + f"{DEAR_FROM.isoformat()},usual,p,,4.0\n"
        + f"{DEAR_UNTIL.isoformat()},usual,,on_demand,1.0\n"
    )
    return file


def _usual_usd(arrived: datetime) -> float:
    """Of a run on the cluster whose price changes, a quarter of a machine; by the minute."""
    minutes = [arrived + timedelta(minutes=each) for each in range(LASTS_S // 60)]
    return math.fsum(
        0.25 * (4.0 if DEAR_FROM <= minute < DEAR_UNTIL else 1.0) / 60 for minute in minutes
    )


def _arrivals() -> list[datetime]:
    return [BEGIN + timedelta(hours=hour, minutes=45) for hour in range(24 * DAYS)]


@pytest.mark.parametrize("plan_every_hours", [None, 24.0])
def test_the_layer_follows_the_cheapest_cluster_through_the_day(trace, prices, plan_every_hours):
    """With a plan in force and without; what ran over noon pays both prices."""
    found = {
        each.policy: each.figures
        for each in simulate(trace, _settings(), prices=prices, plan_every_hours=plan_every_hours)
    }
    elsewhere = [at for at in _arrivals() if DEAR_FROM <= at < DEAR_UNTIL]
    expected = math.fsum(
        0.25 * 2.0 * LASTS_S / 3600 if at in elsewhere else _usual_usd(at) for at in _arrivals()
    )
    for policy in (PolicyName.AIOPS, PolicyName.CHEAPEST_FIRST):
        attempts = {one.cluster: one.attempts for one in found[policy].clusters}
        assert {"usual": 24 * DAYS - 8, "other": 8} == attempts
        assert pytest.approx(expected, rel=1e-12) == found[policy].cost_usd
    stayed = math.fsum(map(_usual_usd, _arrivals()))
    assert pytest.approx(stayed, rel=1e-12) == found[PolicyName.SINGLE_CLUSTER].cost_usd
    turns = {one.cluster: one for one in found[PolicyName.ROUND_ROBIN].clusters}
    assert pytest.approx(12 * DAYS * 0.25) == turns["other"].cost_usd
    assert found[PolicyName.ROUND_ROBIN].cost_usd == pytest.approx(
        turns["other"].cost_usd + turns["usual"].cost_usd
    )


def test_a_plan_is_made_anew_at_new_prices(trace, prices):
    """Judged by the prices of now: at those of aiops.yaml the old plan would stay."""
    (changing,) = simulate(trace, _settings(), prices=prices, policies=[PolicyName.AIOPS])
    (steady,) = simulate(trace, _settings(), policies=[PolicyName.AIOPS])
    assert (steady.plans + 2, 0) == (changing.plans, changing.failed_plans)


def test_prices_that_say_what_aiops_yaml_says_change_no_digit(trace, tmp_path):
    """Of any policy."""
    file = tmp_path / "same.csv"
    file.write_text("at,cluster,price_usd_per_hour\n2026-03-03T07:00:00Z,usual,1\n")
    assert simulate(trace, _settings()) == simulate(trace, _settings(), prices=file)


def test_a_price_may_become_known(trace, tmp_path):
    """Until then its attempts have no price and are said to have none."""
    file = tmp_path / "later.csv"
    file.write_text("at,cluster,price_usd_per_hour\n2026-03-03T00:00:00Z,usual,1\n")
    (found,) = simulate(
        trace,
        _settings(usual=None),
        prices=file,
        single="usual",
        policies=[PolicyName.SINGLE_CLUSTER],
    )
    assert 24 == found.figures.unpriced
    assert pytest.approx(24 * (DAYS - 1) * 0.25 * 0.5) == found.figures.cost_usd


def test_a_running_task_that_writes_checkpoints_is_moved_when_its_price_rises(tmp_path, prices):
    """Only what ran before the rise is paid at the old place."""
    trace = tmp_path / "long.csv"
    at = DEAR_FROM - timedelta(hours=2)
    trace.write_text(
        "arrived_at,task,duration_s,cores,memory_gib,deadline_s,checkpoint_s\n"
        f"{(at - timedelta(days=1)).isoformat()},ml/fit,21600,8,8,90000,600\n"
        f"{at.isoformat()},ml/fit,21600,8,8,90000,600\n"
    )
    (found,) = simulate(trace, _settings(), prices=prices, policies=[PolicyName.AIOPS])
    assert 1 == found.figures.moves
    assert pytest.approx(6 * 1.0 + 2 * 1.0 + 4 * 2.0) == found.figures.cost_usd


def test_parquet_says_the_same_as_csv(tmp_path, trace, prices):
    """Moments may be real moments there."""
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    file = tmp_path / "prices.parquet"
    columns = {
        "at": [BEGIN - timedelta(days=1), DEAR_FROM, DEAR_UNTIL],
        "cluster": ["usual"] * 3,
        "price_usd_per_hour": [1.0, 4.0, 1.0],
    }
    parquet.write_table(pyarrow.table(columns), file)
    wanted = [PolicyName.CHEAPEST_FIRST]
    assert simulate(trace, _settings(), prices=file, policies=wanted) == simulate(
        trace, _settings(), prices=prices, policies=wanted
    )


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("2026-03-02T00:00:00,usual,,,1", "at: has no time zone"),
        (",usual,,,1", "at: is missing"),
        ("2026-03-02T00:00:00Z,usul,,,1", "cluster: is not configured"),
        ("2026-03-02T00:00:00Z,usual,q,,1", "pool: is no pool of usual"),
        ("2026-03-02T00:00:00Z,usual,,sport,1", "purchase: is no way to buy machines"),
        ("2026-03-02T00:00:00Z,usual,,spot,1", "purchase: no such pool of usual is bought so"),
        ("2026-03-02T00:00:00Z,usual,,,", "price_usd_per_hour: is missing"),
        ("2026-03-02T00:00:00Z,usual,,,-1", "price_usd_per_hour: is no number >= 0"),
        ("2026-03-02T00:00:00Z,usual,,,cheap", "price_usd_per_hour: is no number >= 0"),
    ],
)
def test_a_bad_price_is_named(tmp_path, row, words):
    """With file, line, column, value and mend."""
    file = tmp_path / "prices.csv"
    file.write_text(HEADER + row + "\n")
    with pytest.raises(DataError, match=r"prices\.csv:2: ") as caught:
        read_prices(file, _settings().cluster_specs, BEGIN)
    assert words in str(caught.value)


def test_unknown_columns_doubles_and_emptiness_are_refused(tmp_path):
    """None of them is silently left out."""
    file = tmp_path / "prices.csv"
    for text, words in (
        (HEADER, "holds no price"),
        ("at,cluster,usd\n2026-03-02T00:00:00Z,usual,1\n", "usd: unknown column"),
        (
            HEADER + "2026-03-02T00:00:00Z,usual,,,1\n2026-03-02T01:00:00+01:00,usual,p,,2\n",
            r"prices\.csv:3: at: is there twice for pool p of usual",
        ),
    ):
        file.write_text(text)
        with pytest.raises(DataError, match=words):
            read_prices(file, _settings().cluster_specs, BEGIN)
