"""A trace replayed under each policy: files are checked, and the layer itself keeps its promises."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from aiops_provider.control.simulate import PolicyName, simulate
from aiops_provider.control.simulated_routing import RoutedPolicy
from aiops_provider.control.trace_file import read_outages, read_trace
from aiops_provider.errors import DataError
from aiops_provider.placement.replay import Replay
from aiops_provider.settings.schema import Settings

BEGIN = datetime(2026, 3, 2, tzinfo=UTC)
HEADER = "arrived_at,task,duration_s,cores,memory_gib,accelerators,deadline_s\n"


def _cluster(name: str, price: float, *, purchase: str = "on_demand") -> dict[str, object]:
    machine = {"cores": 8, "memory_gib": 32}
    pool = {
        "name": "p",
        "machine": machine,
        "max_instances": 1,
        "price_usd_per_hour": price,
        "purchase": purchase,
    }
    return {"name": name, "kind": "local", "provider": name, "region": "r", "pools": [pool]}


@pytest.fixture
def settings() -> Settings:
    return Settings.model_validate(
        {
            "clusters": [
                _cluster("steady", 2.0),
                _cluster("spotty", 0.5, purchase="spot"),
                _cluster("third", 1.0),
            ]
        }
    )


@pytest.fixture
def trace(tmp_path):
    """Two weeks: an hourly task of two cores, a daily one of six."""
    rows = [HEADER]
    for hour in range(14 * 24):
        at = (BEGIN + timedelta(hours=hour)).isoformat()
        rows.append(f"{at},etl/hourly,{1200 + hour % 5},2,4,,3600\n")
        if hour % 24 == 3:
            rows.append(f"{at},ml/daily,9000,6,20,,\n")
    file = tmp_path / "trace.csv"
    file.write_text("".join(rows))
    return file


@pytest.fixture
def outages(tmp_path):
    """The cheapest one goes twice, once as a spot interruption."""
    file = tmp_path / "outages.csv"
    file.write_text(
        "cluster,begin_at,end_at,kind\n"
        "spotty,2026-03-03T00:10:00Z,2026-03-03T06:00:00Z,spot_interruption\n"
        "spotty,2026-03-10T00:10:00Z,2026-03-10T06:00:00Z,\n"
        "steady,2026-03-10T00:10:00Z,2026-03-10T06:00:00Z,spot_interruption\n"
    )
    return file


def test_every_policy_finishes_every_task_once(settings, trace, outages):
    """Through the real profiler, planner and router; the layer does not cost more than one cluster."""
    found = {each.policy: each for each in simulate(trace, settings, outages=outages)}
    assert list(PolicyName) == list(found)
    for each in found.values():
        figures = each.figures
        assert (350, 350, 0, 0, 0) == (
            figures.tasks,
            figures.finished,
            figures.lost,
            figures.doubled,
            figures.refused,
        )
        assert 336 == figures.with_deadline
    ours, single = found[PolicyName.AIOPS], found[PolicyName.SINGLE_CLUSTER]
    assert ours.plans >= 1
    assert 0 == ours.failed_plans
    assert ours.figures.cost_usd < single.figures.cost_usd
    assert ours.figures.sla_attainment >= single.figures.sla_attainment
    assert ours.figures.interruptions >= 1


def test_the_same_inputs_give_the_same_answer(settings, trace, outages):
    """To the last digit."""
    first = simulate(trace, settings, outages=outages)
    assert first == simulate(trace, settings, outages=outages)


def test_the_layer_sends_nothing_where_a_cluster_is_out(settings, trace, outages):
    """Every attempt ends before the spell or starts after it, and ends once."""
    read = read_trace(trace)
    spells = read_outages(outages, settings.cluster_specs, read.begin)
    assert {("spotty", "p")} == {spell.place for spell in spells}
    policy = RoutedPolicy(
        settings,
        settings.cluster_specs,
        begin=read.begin,
        plan_every_s=86_400,
        again_after_s=300,
        notices_after_s=0,
    )
    attempts = Replay(read.tasks, settings.cluster_specs, policy, outages=spells).run()
    for attempt in attempts:
        for spell in spells:
            if attempt.place == spell.place:
                assert attempt.ended_s <= spell.begin_s or attempt.started_s >= spell.end_s
    ends = Counter(attempt.task.run for attempt in attempts if attempt.finished)
    assert {1} == set(ends.values())
    assert len(read.tasks) == len(ends)


def test_a_cluster_that_is_back_is_used_at_once(settings, trace, tmp_path):
    """As by an installation, which plans anew then; a plan of the outage is not followed for a day."""
    outages = tmp_path / "midnight.csv"
    outages.write_text(
        "cluster,begin_at,end_at\nspotty,2026-03-03T23:30:00Z,2026-03-04T00:30:00Z\n"
    )
    (found,) = simulate(trace, settings, outages=outages, policies=[PolicyName.AIOPS])
    attempts = {one.cluster: one.attempts for one in found.figures.clusters}
    assert 0 < attempts["steady"] + attempts["third"] <= 2
    assert 0 == found.failed_plans


def test_a_model_without_a_number_is_one_and_any_of_its_names_will_do(tmp_path, settings):
    """A name that nobody knows is refused rather than left out."""
    file = tmp_path / "trace.csv"
    header = "arrived_at,task,duration_s,cores,memory_gib,accelerator\n"
    file.write_text(header + "2026-03-02T00:00:00Z,a/b,60,1,1,NVIDIA A100 80GB\n")
    (task,) = read_trace(file).tasks
    assert (1, "A100-80GB") == (task.request.accelerators, task.request.accelerator)
    file.write_text(header + "2026-03-02T00:00:00Z,a/b,60,1,1,Q100\n")
    with pytest.raises(DataError, match=r"trace\.csv:2: accelerator: .*Q100"):
        read_trace(file)


def test_only_what_is_wanted_is_replayed_and_told(settings, trace):
    """In the order asked for, and the progress ends with everything."""
    told: dict[str, tuple[int, int]] = {}
    found = simulate(
        trace,
        settings,
        policies=[PolicyName.ROUND_ROBIN, PolicyName.SINGLE_CLUSTER],
        single="third",
        watch=lambda name, done, total: told.update({name: (done, total)}),
    )
    assert ["round_robin", "single_cluster"] == [each.policy for each in found]
    assert {"round_robin": (350, 350), "single_cluster": (350, 350)} == told
    used = {one.cluster for one in found[1].figures.clusters if one.attempts}
    assert {"third"} == used


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("2026-03-02T00:00:00,a/b,60,1,1,,", "arrived_at: has no time zone"),
        (",a/b,60,1,1,,", "arrived_at: is missing"),
        ("2026-03-02T00:00:00Z,,60,1,1,,", "task: is missing"),
        ("2026-03-02T00:00:00Z,a/b,0,1,1,,", "duration_s: is no number > 0"),
        ("2026-03-02T00:00:00Z,a/b,1e12,1,1,,", "duration_s: is more than ten years"),
        ("2026-03-02T00:00:00Z,a/b,60,nan,1,,", "cores: is no number >= 0"),
        ("2026-03-02T00:00:00Z,a/b,60,1,,,", "memory_gib: is no number > 0"),
        ("2026-03-02T00:00:00Z,a/b,60,1,1,1.5,", "accelerators: is no whole number"),
        ("2026-03-02T00:00:00Z,a/b,60,1,1,,-1", "deadline_s: is no number >= 0"),
        ("2026-03-02T00:00:00Z,a/b,60,1,1,,,-2,", "stored_gib: is no number >= 0"),
        ("2026-03-02T00:00:00Z,a/b,60,1,1,,,2,tape", "storage_class: is no class of storage"),
        ("2026-03-02T00:00:00Z,a/b,60,1,1,,,,,region", "spread: names no number of domains > 1"),
        ("2026-03-02T00:00:00Z,a/b,60,1,1,,,,,region:1", "spread: names no number of domains > 1"),
        ("2026-03-02T00:00:00Z,a/b,60,1,1,,,,,zone:2", "spread: zone is no failure domain"),
        ("2026-03-02T00:00:00Z,a/b,60,1,1,,,,,,cluster", "apart_from: names no task"),
        ("2026-03-02T00:00:00Z,a/b,60,1,1,,,,,,rack:a/c", "apart_from: rack is no failure domain"),
    ],
)
def test_a_bad_cell_is_named(tmp_path, row, words):
    """With file, line, column, value and mend."""
    file = tmp_path / "trace.csv"
    file.write_text(
        HEADER.strip()
        + ",stored_gib,storage_class,spread,apart_from\n"
        + row
        + "," * (10 - row.count(","))
    )
    with pytest.raises(DataError, match=r"trace\.csv:2: ") as caught:
        read_trace(file)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("nowhere,,2026-03-02T00:00:00Z,,", "cluster: is not configured"),
        ("spotty,q,2026-03-02T00:00:00Z,,", "pool: is no pool of spotty"),
        ("spotty,p,,,", "begin_at: is missing"),
        ("spotty,p,2026-03-02T01:00:00Z,2026-03-02T00:00:00Z,", "end_at: is not after"),
        ("spotty,p,2026-03-02T00:00:00Z,,fire", "kind: is no kind"),
    ],
)
def test_a_bad_outage_is_named(tmp_path, settings, row, words):
    """As above."""
    file = tmp_path / "outages.csv"
    file.write_text("cluster,pool,begin_at,end_at,kind\n" + row + "\n")
    with pytest.raises(DataError, match=r"outages\.csv:2: ") as caught:
        read_outages(file, settings.cluster_specs, BEGIN)
    assert words in str(caught.value)


def test_unknown_columns_doubles_and_emptiness_are_refused(tmp_path, settings, trace):
    """None of them is silently left out."""
    file = tmp_path / "trace.csv"
    file.write_text("arrived_at,tasks\n2026-03-02T00:00:00Z,a/b\n")
    with pytest.raises(DataError, match="tasks: unknown column"):
        read_trace(file)
    file.write_text(HEADER)
    with pytest.raises(DataError, match="holds no task"):
        read_trace(file)
    file.write_text(
        "arrived_at,task,duration_s,cores,memory_gib,run_id\n"
        + "2026-03-02T00:00:00Z,a/b,60,1,1,r1\n" * 2
    )
    with pytest.raises(DataError, match="run_id: is there twice"):
        read_trace(file)
    with pytest.raises(DataError, match="single: is not configured"):
        simulate(file, settings, single="nowhere")


def test_parquet_says_the_same_as_csv(tmp_path, trace):
    """Moments may be real moments there."""
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    columns = {
        "arrived_at": [BEGIN, BEGIN + timedelta(minutes=1)],
        "task": ["a/b", "a/b"],
        "duration_s": [60.0, 30.0],
        "cores": [1.0, 2.0],
        "memory_gib": [1.0, 2.0],
        "accelerators": [None, 1],
    }
    file = tmp_path / "trace.parquet"
    parquet.write_table(pyarrow.table(columns), file)
    read = read_trace(file)
    assert BEGIN == read.begin
    assert [(0.0, 0), (60.0, 1)] == [(t.arrival_s, t.request.accelerators) for t in read.tasks]


def _spot_trace(tmp_path, *, deadline_s: str, checkpoint_s: str):
    """Four cores an hour for two days; the cheap cluster is out every third hour."""
    rows = ["arrived_at,task,duration_s,cores,memory_gib,deadline_s,checkpoint_s\n"]
    for half in range(4 * 48):
        at = (BEGIN + timedelta(minutes=15 * half)).isoformat()
        rows.append(f"{at},ml/fit,{5400 + half},4,4,{deadline_s},{checkpoint_s}\n")
    trace = tmp_path / "spot.csv"
    trace.write_text("".join(rows))
    spells = ["cluster,begin_at,end_at\n"]
    for hour in range(0, 90, 3):
        begin = BEGIN + timedelta(hours=hour + 2)
        spells.append(f"spotty,{begin.isoformat()},{(begin + timedelta(hours=1)).isoformat()}\n")
    outages = tmp_path / "spot_outages.csv"
    outages.write_text("".join(spells))
    return trace, outages


@pytest.fixture
def roomy() -> Settings:
    """A large spot cluster beside a large dear one."""
    clusters = [_cluster("steady", 3.0), _cluster("spotty", 0.6, purchase="spot")]
    for each in clusters:
        each["pools"][0]["max_instances"] = 4  # type: ignore[index]
    return Settings.model_validate({"clusters": clusters, "routing": {"fence_after_s": 0}})


def _costs(trace, outages, settings, **routing):
    section = settings.routing.model_copy(update=routing)
    changed = settings.model_copy(update={"routing": section})
    (found,) = simulate(trace, changed, outages=outages, policies=[PolicyName.AIOPS])
    assert (found.figures.lost, found.figures.doubled) == (0, 0)
    return found.figures


def test_running_tasks_that_write_checkpoints_go_back_to_the_cheap_cluster(tmp_path, roomy):
    """Which costs less than to leave them, and keeps their deadlines."""
    trace, outages = _spot_trace(tmp_path, deadline_s="20000", checkpoint_s="600")
    moved = _costs(trace, outages, roomy, wait_for_saving=1.0)
    stayed = _costs(trace, outages, roomy, wait_for_saving=1.0, move_running=False)
    assert moved.moves > 0
    assert stayed.moves == 0
    assert moved.cost_usd < 0.9 * stayed.cost_usd
    assert moved.sla_attainment == 1.0


def test_tasks_with_time_wait_for_the_cheap_cluster(tmp_path, roomy):
    """Which costs less than to start at once; those without a deadline do not wait."""
    trace, outages = _spot_trace(tmp_path, deadline_s="20000", checkpoint_s="600")
    waiting = _costs(trace, outages, roomy, move_running=False)
    at_once = _costs(trace, outages, roomy, move_running=False, wait_for_saving=1.0)
    assert waiting.queueing_mean_s > at_once.queueing_mean_s
    assert waiting.cost_usd < 0.9 * at_once.cost_usd
    assert waiting.sla_attainment == 1.0
    trace, outages = _spot_trace(tmp_path, deadline_s="", checkpoint_s="600")
    free = _costs(trace, outages, roomy, move_running=False)
    assert free.queueing_p95_s == 0.0


def test_tasks_without_checkpoints_are_not_moved(tmp_path, roomy):
    """Whatever it might save."""
    trace, outages = _spot_trace(tmp_path, deadline_s="20000", checkpoint_s="")
    assert _costs(trace, outages, roomy).moves == 0


def _daily(tmp_path, gib: str):
    """An hour of two cores a day, for two weeks."""
    rows = ["arrived_at,task,duration_s,cores,memory_gib,stored_gib\n"]
    for day in range(14):
        at = (BEGIN + timedelta(days=day)).isoformat()
        rows.append(f"{at},etl/load,3600,2,4,{gib}\n")
    trace = tmp_path / "stored.csv"
    trace.write_text("".join(rows))
    return trace


@pytest.mark.parametrize("plan_every_hours", [None, 24.0])
def test_what_a_trace_stores_decides_and_is_paid_for(tmp_path, plan_every_hours):
    """With a plan and without: a cheap machine beside dear storage is not the cheapest."""
    clusters = [_cluster("machines", 0.5), _cluster("storage", 2.0)]
    clusters[0]["storage_usd_per_gib_month"] = {"object": 7.3}
    clusters[1]["storage_usd_per_gib_month"] = {"object": 0.73}
    settings = Settings.model_validate({"clusters": clusters, "fallback_cluster": "machines"})

    def found(gib: str):
        (only,) = simulate(
            _daily(tmp_path, gib),
            settings,
            policies=[PolicyName.AIOPS],
            plan_every_hours=plan_every_hours,
        )
        return only.figures

    def used(figures) -> set[str]:
        return {one.cluster for one in figures.clusters if one.attempts}

    bare, stored = found(""), found("100")
    assert ({"machines"}, {"storage"}) == (used(bare), used(stored))
    # A copy is there from the first end to the last, thirteen days.
    assert pytest.approx(13 * 24 * 100 * 0.73 / 730) == stored.stored_usd
    assert pytest.approx(14 * 0.25 * 2.0 + stored.stored_usd) == stored.cost_usd
    assert pytest.approx(14 * 0.25 * 0.5) == bare.cost_usd


def test_the_price_of_emissions_decides_in_a_replay_too(tmp_path):
    """Of all policies the cost has it; ours goes where that is less."""
    clusters = [_cluster("dirty", 0.5), _cluster("clean", 0.6)]
    for each, grid in zip(clusters, (1000.0, 50.0), strict=True):
        each["pools"][0]["watts"] = 2000.0  # type: ignore[index]
        each["carbon_g_per_kwh"] = grid
    given = {"clusters": clusters, "fallback_cluster": "dirty"}
    trace = _daily(tmp_path, "")
    plain = Settings.model_validate(given)
    dirty, clean = (
        0.5 * spec.pools[0].carbon.kg_per_hour
        for spec in plain.cluster_specs
        if spec.pools[0].carbon
    )
    free = simulate(trace, plain)
    priced = simulate(
        trace, Settings.model_validate({**given, "objective": {"carbon_usd_per_kg": 0.5}})
    )
    usd = {
        each.policy: (each.figures.cost_usd, other.figures.cost_usd)
        for each, other in zip(free, priced, strict=True)
    }
    hours = 14 * 0.25
    assert dirty > 0.5 > clean > 0
    assert pytest.approx((hours * 0.5, hours * (0.6 + clean))) == usd[PolicyName.AIOPS]
    assert pytest.approx((hours * 0.5, hours * (0.5 + dirty))) == usd[PolicyName.SINGLE_CLUSTER]


@pytest.mark.parametrize("plan_every_hours", [None, 24.0])
@pytest.mark.parametrize("rules", [("", ""), ("cluster:2", ""), ("", "cluster:shop/index")])
def test_instances_of_a_replay_are_kept_apart_as_in_production(tmp_path, plan_every_hours, rules):
    """Both tasks run all the time; without rules all are on the cheapest cluster."""
    rows = ["arrived_at,task,duration_s,cores,memory_gib,spread,apart_from\n"]
    for hour in range(72):
        at = (BEGIN + timedelta(hours=hour)).isoformat()
        rows.append(f"{at},shop/search,7000,1,1,{rules[0]},{rules[1]}\n")
        rows.append(f"{at},shop/index,7000,1,1,,\n")
    trace = tmp_path / "rules.csv"
    trace.write_text("".join(rows))
    clusters = [_cluster("a", 1.0), _cluster("b", 2.0), _cluster("c", 3.0)]
    settings = Settings.model_validate({"clusters": clusters, "fallback_cluster": "a"})
    read = read_trace(trace)
    policy = RoutedPolicy(
        settings,
        settings.cluster_specs,
        begin=read.begin,
        plan_every_s=None if plan_every_hours is None else plan_every_hours * 3600,
        again_after_s=300,
        notices_after_s=0,
    )
    attempts = Replay(read.tasks, settings.cluster_specs, policy).run()
    assert len(read.tasks) == len(attempts)
    together = {"search": 0, "other": 0}
    for one in attempts:
        for other in attempts:
            overlap = one.started_s <= other.started_s < one.ended_s and one is not other
            if one.task.run.task.name == "search" and overlap and one.place == other.place:
                together["search" if other.task.run.task.name == "search" else "other"] += 1
    if not any(rules):
        assert min(together.values()) > 0
    elif rules[0]:
        assert 0 == together["search"]
    else:
        assert 0 == together["other"]
