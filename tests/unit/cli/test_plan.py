"""``aiops plan`` and ``aiops route``: what they say, with and without a store's knowledge."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from aiops_provider.domain.alarm import Response, ResponseAction
from aiops_provider.domain.plan import Mode, Placement
from aiops_provider.domain.spread import AntiAffinity, Spread
from aiops_provider.domain.task import TaskKey, TaskRun
from aiops_provider.domain.units import utc_now
from aiops_provider.domain.workload import Locality, Training
from aiops_provider.placement.router import Router, RouterSnapshot
from aiops_provider.profiling.profiler import Profiler
from aiops_provider.settings.load import load_settings
from aiops_provider.store import Store

CONFIG = """\
store: sqlite:///{folder}/aiops.db
clusters:
  - name: cheap
    kind: local
    provider: here
    region: r
    pools: [{{name: p, machine: {{cores: 16, memory_gib: 64}}, max_instances: 4, price_usd_per_hour: 0.1}}]
  - name: dear
    kind: local
    provider: there
    region: r
    pools: [{{name: p, machine: {{cores: 16, memory_gib: 64}}, max_instances: 4, price_usd_per_hour: 1.0}}]
"""
TASKS = """\
- task: medical/train
  kind: training
  memory_gib: 8
- task: medical/serve
  kind: generic
  cluster: dear
"""
TRAIN = TaskKey("medical", "train")


@pytest.fixture
def folder(aiops, tmp_path) -> Path:
    (tmp_path / "aiops.yaml").write_text(CONFIG.format(folder=tmp_path))
    (tmp_path / "tasks.yaml").write_text(TASKS)
    return tmp_path


@pytest.fixture
def store(folder):
    with closing(Store.open(f"sqlite:///{folder}/aiops.db")) as opened:
        opened.upgrade()
        yield opened


def test_file_is_planned_without_a_store(aiops, folder):
    """Described tasks get a plan that honours pins; nothing is stored."""
    data = aiops("plan", "--workloads", "tasks.yaml", "--output", "json").data
    by_group = {given["group"]: given["cluster"] for given in data["assignments"]}
    places = {
        task["name"]: by_group[group["name"]] for group in data["groups"] for task in group["tasks"]
    }
    assert places == {"train": "cheap", "serve": "dear"}
    assert not (folder / "aiops.db").exists()


SPREAD = """\
- task: shop/answers
  kind: serving
  locality: {spread: {domain: provider}}
- task: shop/index
  kind: etl
  locality: {anti_affinity: {tasks: [shop/train]}}
- task: shop/train
  kind: training
"""


def test_a_file_can_keep_instances_apart(aiops, folder, store):
    """In the plan, in what explains it, and in what the store gives back of it."""
    (folder / "spread.yaml").write_text(SPREAD)
    data = aiops("plan", "--workloads", "spread.yaml", "--output", "json").data
    members = {g["name"]: {task["name"] for task in g["tasks"]} for g in data["groups"]}
    held = {
        (name, each["cluster"]): each["share"]
        for each in data["assignments"]
        for name in members[each["group"]]
    }
    assert held["answers", "cheap"] == pytest.approx(0.5)
    assert held["answers", "dear"] == pytest.approx(0.5)
    assert ("index", "cheap") in held or ("train", "cheap") in held
    assert not any({("index", c), ("train", c)} <= held.keys() for c in ("cheap", "dear"))
    answer = aiops("plan", "--workloads", "spread.yaml", "--explain")
    assert "at least 2 providers" in " ".join(answer.out.split())


def test_the_store_gives_back_what_keeps_instances_apart(store):
    """As part of profiles, as part of plans."""
    locality = Locality(spread=Spread(domain="region"), anti_affinity=AntiAffinity(tasks=("a/b",)))
    profile = Profiler().predict(TRAIN, Training(locality=locality), now=utc_now())
    store.save_profiles([profile])
    assert store.profiles() == [profile]
    assert profile.spread is not None
    assert profile.anti_affinity


def test_table_names_tasks_clusters_and_gap(aiops, folder):
    """People see which task goes where, what it costs and how good the plan is."""
    answer = aiops("plan", "--workloads", "tasks.yaml", "--explain")
    assert answer.status == 0
    for words in ("medical/train", "cheap", "dear", "USD/h", "gap to the proven bound", "Why"):
        assert words in answer.out


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("- task: a/b\n  kind: etl\n- kind: etl\n", 3, "task: is missing"),
        ("- task: a/b\n  kind: etl\n  joins: -1\n", 3, "joins"),
        ("- task: a/b\n  kind: etl\n- task: a/b\n  kind: etl\n", 3, "described twice"),
        ("- task: a/b\n  kind: etl\n- nonsense\n", 3, "not a task description"),
    ],
)
def test_bad_file_is_refused_with_its_line(aiops, folder, text, line, words):
    """What is wrong in the file is named with its line, and nothing is planned."""
    (folder / "bad.yaml").write_text(text)
    answer = aiops("plan", "--workloads", "bad.yaml")
    assert (answer.status, answer.out) == (2, "")
    assert f"bad.yaml:{line}: " in answer.err
    assert words in answer.err


def test_a_pin_to_an_unknown_cluster_is_refused(aiops, folder):
    """A typing error is no reason to plan everything else and call it infeasible."""
    (folder / "tasks.yaml").write_text(TASKS.replace("cluster: dear", "cluster: deer"))
    answer = aiops("plan", "--workloads", "tasks.yaml")
    assert (answer.status, answer.out) == (2, "")
    assert "cluster: medical/serve is pinned to a cluster that is not configured" in answer.err
    assert "'deer'" in answer.err
    assert "Use one of cheap, dear" in answer.err


def test_a_level_out_of_reach_is_explained_unasked(aiops, folder):
    """Scripts see it by the status, people by the reasons; the nearest plan is shown all the same."""
    given = CONFIG.format(folder=folder) + "objective: {minimize: cost, sla: 0.99}\n"
    (folder / "aiops.yaml").write_text(given)
    (folder / "tasks.yaml").write_text(TASKS + "  cores: 64\n")
    answer = aiops("plan", "--workloads", "tasks.yaml")
    assert answer.status == 2
    said = " ".join(answer.out.split())
    assert (
        "where medical/serve can run (cheap, dear: its machine has 16 cores, 64 are needed" in said
    )
    assert "add a machine that holds medical/serve" in said
    answer = aiops("plan", "--workloads", "tasks.yaml", "--output", "json")
    assert (answer.status, answer.data["status"]) == (2, "infeasible")


def test_an_attempt_that_failed_is_not_called_a_lack_of_tasks(aiops, folder, store):
    """Without a plan in force the latest failure is all there is to say."""
    given = CONFIG.format(folder=folder) + "objective: {minimize: cost, sla: 0.99}\n"
    (folder / "aiops.yaml").write_text(given)
    profile = Profiler().predict(TRAIN, now=utc_now())
    store.save_profiles([replace(profile, pinned_cluster="nowhere")])
    answer = aiops("plan")
    assert answer.status == 1
    assert "these limits conflict" in answer.err
    assert "no task is known" not in answer.err


def test_machines_of_each_pool_over_the_week(aiops, folder):
    """Of a file's plan without a store; one pool at a time for what scales it."""
    found = aiops("plan", "schedule", "--workloads", "tasks.yaml", "-o", "json").data
    assert [("cheap", "p"), ("dear", "p")] == [(each["cluster"], each["pool"]) for each in found]
    assert all(168 == len(each["instances"]) and each["groups"] for each in found)
    shown = aiops("plan", "schedule", "--workloads", "tasks.yaml").out
    assert "the plan assigns 1 groups" in " ".join(shown.split())
    refused = aiops("plan", "schedule", "--workloads", "tasks.yaml", "--export", "keda")
    assert refused.status == 2
    assert "--export is for one pool, and these are 2" in " ".join(refused.err.split())
    one = ("--cluster", "dear", "--export", "keda")
    assert "name: dear-p" in aiops("plan", "schedule", "--workloads", "tasks.yaml", *one).out


def test_a_schedule_needs_a_plan(aiops, store):
    """As the other commands about the plan in force."""
    answer = aiops("plan", "schedule")
    assert (answer.status, "no plan is in force" in answer.err) == (2, True)


def test_empty_list_is_refused(aiops, folder):
    """A file that describes nothing is no plan of nothing."""
    (folder / "bad.yaml").write_text("[]\n")
    answer = aiops("plan", "--workloads", "bad.yaml")
    assert answer.status == 2
    assert "describes no task" in answer.err


def test_empty_store_has_no_plan(aiops, store):
    """Before the first task there is no plan, and the answer says what to do."""
    answer = aiops("plan")
    assert (answer.status, answer.out) == (0, "")
    assert "--workloads" in answer.err
    assert aiops("plan", "--output", "json").data is None


def test_stored_profiles_are_planned_once(aiops, store):
    """The first call makes the plan, the second shows the same one."""
    store.save_profiles([Profiler().predict(TRAIN, now=utc_now())])
    first = aiops("plan", "--output", "json").data
    assert first["version"] == 1
    assert aiops("plan", "--output", "json").data == first
    assert "Plan 1 of" in aiops("plan").out


def test_route_of_an_unknown_task(aiops, store):
    """A task that was never seen is routed by the priors, and that is said."""
    answer = aiops("route", "medical/train", "--output", "json")
    assert answer.data["route"]["cluster"] == "cheap"
    assert answer.data["known"] is False
    assert "no stored profile" in answer.err


def test_route_as_json_is_data_throughout(aiops, store):
    """Scripts read the alternatives and the refusals; neither is a text of Python's."""
    route = aiops("route", "medical/train", "--output", "json").data["route"]
    (second,) = route["alternatives"]
    assert ("dear", "p") == (second["cluster"], second["pool"])
    assert second["expected_cost_usd"] > route["expected_cost_usd"] > 0
    assert {"dear"} == route["reason"]["rejected"].keys()


def test_plan_shows_what_is_emitted(aiops, folder):
    """As far as it is known, and the price that was put on it."""
    given = CONFIG.replace("region: r\n", "region: r\n    carbon_g_per_kwh: 100\n", 1)
    given = given.replace("price_usd_per_hour: 0.1}}", "price_usd_per_hour: 0.1, watts: 200}}")
    given += "objective: {{carbon_usd_per_kg: 0.05}}\n"
    (folder / "aiops.yaml").write_text(given.format(folder=folder))
    shown = aiops("plan", "--workloads", "tasks.yaml", "--explain").out
    assert "kg CO2e/day, without 1 of 2 assignments" in shown
    assert "CO2e at 0.05 USD/kg" in shown
    assert "What dear/p emits is not known" in " ".join(shown.split())


def test_route_says_what_is_stored_where(aiops, store, folder):
    """With --why, at the chosen cluster and at the others, and where the price is unknown."""
    given = CONFIG.replace(
        "    region: r\n", "    region: r\n    storage_usd_per_gib_month: {{object: 0.1}}\n", 1
    )
    (folder / "aiops.yaml").write_text(given.format(folder=folder))
    store.save_profiles([Profiler().predict(TRAIN, now=utc_now())])
    told = aiops("route", "medical/train", "--why", "--output", "json").data
    stored = {(s["cluster"], s["storage_class"]): s for s in told["storage"]}
    here, there = stored["cheap", "object"], stored["dear", "object"]
    assert here["usd_per_month"] == pytest.approx(0.1 * here["gib"])
    assert there["usd_per_month"] is None
    assert here["gib"] == there["gib"] > 0
    shown = aiops("route", "medical/train", "--why").out
    assert "What it stores there" in shown
    assert "unknown" in shown


def test_route_follows_quarantine_and_says_why(aiops, store):
    """A quarantined cluster is passed over with the reason of the quarantine."""
    now = utc_now()
    store.save_profiles([Profiler().predict(TRAIN, now=now)])
    store.save_response(
        Response(
            id="q",
            super_alarm="s",
            action=ResponseAction.QUARANTINE,
            reason="row counts fell",
            starts_at=now - timedelta(minutes=1),
            expires_at=now + timedelta(hours=1),
            clusters=("cheap",),
        )
    )
    answer = aiops("route", "medical/train", "--why")
    assert answer.status == 0
    assert "dear (pool p)" in answer.out
    assert "quarantined: row counts fell" in answer.out


def test_route_shows_the_latest_placements(aiops, store, folder):
    """Where the latest tries went stands below, with the reason of then."""
    clusters = load_settings(environ={"AIOPS_CONFIG": str(folder / "aiops.yaml")}).cluster_specs
    profile = Profiler().predict(TRAIN, now=utc_now())
    route = Router(RouterSnapshot(clusters=clusters)).route(profile)
    placement = Placement(
        run=TaskRun(TRAIN, "manual__7"),
        epoch=1,
        route=route,
        mode=Mode.OBSERVE,
        applied=False,
        cluster="dear",
        placed_at=datetime(2026, 3, 2, 12, 0, tzinfo=UTC),
    )
    store.record_placements([placement])
    out = aiops("route", "medical/train").out
    for words in ("manual__7 try 1", "2026-03-02 12:00:00", "observe, not applied"):
        assert words in out


def test_route_that_is_impossible_is_refused(aiops, store):
    """A pin to a cluster that does not exist names field, value and mend."""
    profile = Profiler().predict(TRAIN, now=utc_now())
    store.save_profiles([replace(profile, pinned_cluster="nowhere")])
    answer = aiops("route", "medical/train")
    assert (answer.status, answer.out) == (2, "")
    assert "cluster: medical/train is pinned" in answer.err
    assert "'nowhere'" in answer.err


def test_pareto_says_what_more_sla_costs(aiops, folder):
    """A row per plan, the cheapest first, bars beside it, and how well the front is known."""
    answer = aiops("plan", "--workloads", "tasks.yaml", "--pareto", "--points", "4")
    assert answer.status == 0
    for words in ("What more SLA costs", "Cost by SLA", "plans made", "█"):
        assert words in answer.out
    data = aiops(
        "plan", "--workloads", "tasks.yaml", "--pareto", "--points", "4", "--output", "json"
    ).data
    costs = [point["cost_usd_per_hour"] for point in data["points"]]
    assert costs == sorted(costs)
    assert data["points"][-1]["sla_attainment"] == pytest.approx(1.0)
    assert not (folder / "aiops.db").exists()


def test_pareto_of_an_installation_leaves_its_plan_alone(aiops, folder, store):
    """The known tasks are planned at many levels; none of these plans is put in force."""
    nothing = aiops("plan", "--pareto")
    assert "no task is known" in nothing.err
    store.save_profiles([Profiler().predict(TRAIN, None, now=utc_now())])
    data = aiops("plan", "--pareto", "--points", "3", "--output", "json").data
    assert data["points"]
    assert store.plan_in_force() is None
