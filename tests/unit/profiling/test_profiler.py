"""The profiler as the rest of the package uses it."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass, replace

import pytest

from aiops_provider.domain.execution import Outcome
from aiops_provider.domain.profile import ComputeType, Quantity, ResourceRequest, Source
from aiops_provider.domain.task import TaskKey
from aiops_provider.domain.workload import (
    Cadence,
    Dataset,
    Etl,
    Generic,
    Locality,
    ModelCandidate,
    Serving,
    Sla,
    Training,
)
from aiops_provider.profiling.estimate import Estimate
from aiops_provider.profiling.profiler import MOST_RUNS_KEPT, Profiler


def quantity(value: float) -> Quantity:
    return Quantity(p50=value, p80=value, p95=value, source=Source.SIMILAR_TASKS, reason="likeness")


@dataclass
class Says:
    """A predictor that always says the same, or fails."""

    estimate: Estimate | None = None
    failure: Exception | None = None
    name: str = "says"

    def predict(self, task, description, history, *, now):
        if self.failure is not None:
            raise self.failure
        return self.estimate


def test_an_unknown_task_gets_a_profile(task, now):
    """Nothing is known: a modest process with a wide interval, and what is unknown stays unknown."""
    profile = Profiler().predict(task, now=now)
    assert profile.memory_gib.source is Source.PRIOR
    assert 0.4 <= profile.request.memory_gib <= 1.0
    assert profile.duration_s.p95 > 10 * profile.duration_s.p50
    assert profile.starts_by_hour_of_week == ()
    assert (profile.latency_ms, profile.warehouse_units, profile.input_gib) == (None, None, None)
    assert profile.predicted_at == now


def test_the_first_run_lowers_the_request_visibly(task, now, run):
    """A prior asks for at least 0.4 GiB; a run that used 0.12 brings it down at once."""
    description = Etl(source=Dataset(rows=5000))
    profiler = Profiler()
    cold = profiler.predict(task, description, now=now)
    profiler.learn(run(peak=0.12))
    warm = profiler.predict(task, description, now=now)
    assert warm.request.memory_gib < 0.4 <= cold.request.memory_gib
    assert warm.request.memory_gib > 0.12
    assert warm.memory_gib.source is Source.OWN_HISTORY
    assert "1 own run, newest 60 min ago" in warm.memory_gib.reason
    assert "% weight on prior" in warm.memory_gib.reason


def test_terms_come_from_the_description(task, now):
    """Promises, limits and pins are copied into the profile."""
    description = Serving(
        sla=Sla(attainment=0.999, deadline_s=60, weight=3),
        locality=Locality(regions=("sa-east-1",), providers=("aws",), data_region="sa-east-1"),
        cadence=Cadence(cron="0 6 * * 1"),
        user_regions=("sa-east-1", "us-east-1"),
        cluster="eks-brazil",
        idempotent=True,
        requests_per_s=10,
    )
    profile = Profiler().predict(task, description, now=now)
    assert (profile.sla_attainment, profile.deadline_s, profile.sla_weight) == (0.999, 60, 3)
    assert (profile.allowed_regions, profile.allowed_providers) == (("sa-east-1",), ("aws",))
    assert (profile.data_region, profile.pinned_cluster) == ("sa-east-1", "eks-brazil")
    assert profile.preferred_regions == ("sa-east-1", "us-east-1")
    assert profile.idempotent
    assert sum(profile.starts_by_hour_of_week) == 1.0


def test_pins_win_over_history(task, now, run):
    """Cores and memory that the user pinned are asked for, whatever was used."""
    profiler = Profiler()
    profiler.restore([run(n, peak=0.2) for n in range(1, 6)])
    profile = profiler.predict(task, Generic(memory_gib=3.0, cores=2.0), now=now)
    assert (profile.request.memory_gib, profile.request.cores) == (3.0, 2.0)
    assert profile.memory_gib.source is profile.cores.source is Source.PINNED
    assert profile.memory_gib.reason == "pinned to 3 GiB by the description"


def test_a_raising_predictor_is_left_out(task, now, caplog):
    """Its own answer is lost, with one warning, and the task gets its profile."""
    profiler = Profiler(predictors=[Says(failure=ZeroDivisionError("oops"))])
    with caplog.at_level(logging.WARNING):
        profile = profiler.predict(task, now=now)
        profiler.predict(task, now=now)
    assert profile.request.memory_gib >= 0.4
    assert [record.message for record in caplog.records] == [
        "Predictor says is left out of the profile of medical/train: ZeroDivisionError: oops"
    ]


@pytest.mark.parametrize("value", [1e9, math.inf, math.nan])
def test_an_exploding_predictor_is_left_out(task, now, caplog, value):
    """Infinite, undefined or absurd figures never reach a request."""

    class Explodes(Says):
        def predict(self, task, description, history, *, now):
            return Estimate(memory_gib=quantity(value))

    sane = Profiler().predict(task, now=now)
    with caplog.at_level(logging.WARNING):
        profile = Profiler(predictors=[Explodes(), *Profiler()._predictors]).predict(task, now=now)
    assert profile.memory_gib == sane.memory_gib
    assert "left out" in caplog.text


def test_a_foreign_predictor_is_blended(task, now, run):
    """Anything behind the protocol takes part; what only it knows is taken over."""
    neighbour = TaskKey("other", "train")
    similar = Says(
        Estimate(memory_gib=quantity(2.0), neighbours=(neighbour,), compute_type=ComputeType.GPU)
    )
    profile = Profiler(predictors=[similar, *Profiler()._predictors]).predict(task, now=now)
    assert profile.memory_gib.p50 == pytest.approx(2.0, rel=0.05)
    assert profile.neighbours == (neighbour,)
    assert profile.compute_type is ComputeType.GPU


def test_a_predictor_with_nothing_to_say_is_no_problem(task, now, caplog):
    """``None`` is an answer."""
    profile = Profiler(predictors=[Says(None)]).predict(task, now=now)
    assert profile.memory_gib.p50 > 0
    assert caplog.text == ""


def test_learners_are_taught(task, now, run, caplog):
    """A predictor that learns across tasks sees each record; its failure costs nothing else."""
    taught = []

    class Learns(Says):
        def learn(self, record, description):
            taught.append(record)
            raise RuntimeError("full")

    profiler = Profiler(predictors=[Learns(None), *Profiler()._predictors])
    profiler.learn(run(1))
    assert taught == [run(1)]
    assert "RuntimeError: full" in caplog.text
    assert profiler.predict(task, now=now).memory_gib.sample_count == 1


def test_the_same_try_counts_once(task, now, run):
    """A second record of one try replaces the first."""
    profiler = Profiler()
    profiler.learn(run(1, peak=0.9))
    profiler.learn(run(1, peak=0.2))
    memory = profiler.predict(task, now=now).memory_gib
    assert (memory.sample_count, memory.p50) == (1, pytest.approx(0.2, rel=0.15))


def test_tasks_are_kept_apart(now, run):
    """One task's runs say nothing about another's."""
    profiler = Profiler()
    profiler.learn(run(1, peak=9.0))
    assert profiler.predict(TaskKey("medical", "other"), now=now).memory_gib.p95 < 2.0


def test_memory_of_a_profiler_is_bounded(task, now, run):
    """Only the newest runs of a task are kept."""
    profiler = Profiler()
    profiler.restore(run(1 + n / 10) for n in range(MOST_RUNS_KEPT + 50))
    assert len(profiler._history[task]) == len(profiler._runs[task]) == MOST_RUNS_KEPT
    assert profiler._history[task][-1].run.run_id == "ended 1 h ago"


def test_a_warm_answer_is_the_same_as_a_fresh_one(task, now, run):
    """Answers are remembered while nothing has changed, and only then."""
    profiler = Profiler()
    profiler.restore([run(n) for n in range(2, 9)])
    first = profiler.predict(task, now=now)
    later = now.replace(second=30)
    assert profiler.predict(task, now=later) == replace(first, predicted_at=later)
    assert profiler.predict(task, Generic(cores=4), now=now).request.cores == 4
    assert "newest 5 h ago" in profiler.predict(task, now=now.replace(hour=15)).memory_gib.reason
    profiler.learn(run(1, peak=2.0))
    assert profiler.predict(task, now=now).memory_gib.p95 > first.memory_gib.p95


def test_after_a_kill_the_next_run_gets_more(task, now, run):
    """The history alone knows: more is asked for until enough good runs followed."""
    profiler = Profiler()
    profiler.restore([run(n, peak=0.2) for n in range(10, 20)])
    before = profiler.predict(task, now=now)
    profiler.learn(run(2, peak=0.5, asked=0.5, outcome=Outcome.OUT_OF_MEMORY))
    after = profiler.predict(task, now=now)
    assert before.request.memory_gib < 0.5 < after.request.memory_gib
    assert after.memory_gib.p95 >= 0.5


def test_a_kill_is_remembered_across_a_restart(task, now, run):
    """A profiler that reads the same runs anew, in whatever order, asks for as much."""
    runs = [run(n, peak=0.2) for n in range(10, 20)]
    kill = run(2, peak=0.5, asked=0.5, outcome=Outcome.OUT_OF_MEMORY)
    before, after = Profiler(), Profiler()
    before.restore(runs)
    calm = before.predict(task, now=now).request.memory_gib
    before.learn(kill)
    after.restore([kill, *reversed(runs)])
    asked = before.predict(task, now=now).request.memory_gib
    assert asked == after.predict(task, now=now).request.memory_gib
    assert calm < 0.5 < asked


def test_enlarging_a_profile_needs_no_history(task, now):
    """The scheduler enlarges at once; each further kill gets still more, a pin nothing."""
    profiler = Profiler()
    profile = profiler.predict(task, now=now)
    failed = ResourceRequest(cores=1, memory_gib=profile.request.memory_gib)
    larger = profiler.enlarge(profile, failed=failed)
    largest = profiler.enlarge(profile, failed=larger.request)
    assert failed.memory_gib < larger.request.memory_gib < largest.request.memory_gib
    assert larger.memory_gib.p95 >= larger.request.memory_gib
    assert "killed for memory" in larger.memory_gib.reason
    pinned = profiler.predict(task, Generic(memory_gib=1.0), now=now)
    assert profiler.enlarge(pinned, failed=pinned.request) is pinned


def test_a_stored_profile_obeys_todays_description(task, now, run):
    """Learned figures stay; pins, limits and accelerators come from what is said now."""
    teacher = Profiler()
    teacher.restore([run(n, peak=0.2) for n in range(1, 9)])
    known = teacher.predict(task, now=now)
    description = Training(
        dataset=Dataset(rows=1_000_000, format="jpeg"),
        candidates=(ModelCandidate(family="deep_network", name="resnet50"),),
        cores=4.0,
        locality=Locality(regions=("eu-central-1",)),
    )
    constrained = Profiler().constrain(known, description)
    assert constrained.memory_gib == known.memory_gib
    assert constrained.request.memory_gib == known.request.memory_gib
    assert constrained.duration_s == known.duration_s
    assert constrained.cores.source is Source.PINNED
    assert (constrained.request.cores, constrained.request.accelerators) == (4.0, 1)
    assert constrained.allowed_regions == ("eu-central-1",)
    assert constrained.starts_by_hour_of_week == known.starts_by_hour_of_week


def test_a_stored_guess_gives_way_to_a_better_one(task, now):
    """Where no run is behind a figure, the description's prior is taken."""
    known = Profiler().predict(task, now=now)
    description = Etl(source=Dataset(volume_gib=10, format="parquet"))
    assert Profiler().constrain(known, description).memory_gib.p50 > 10


def test_a_lifted_pin_is_lifted(task, now):
    """A profile stored with a pin loses it when the description has none any more."""
    known = Profiler().predict(task, Generic(memory_gib=7.0), now=now)
    assert Profiler().constrain(known, Generic()).request.memory_gib < 2.0


def test_a_larger_input_grows_a_stored_profile(task, now, run):
    """Twice the input: memory above the idle part doubles, the request with it."""
    teacher = Profiler()
    small = Etl(source=Dataset(volume_gib=1.0))
    teacher.restore([run(n, peak=0.5, gib=1.0) for n in range(1, 9)])
    known = teacher.predict(task, small, now=now)
    grown = Profiler().constrain(known, Etl(source=Dataset(volume_gib=2.0)))
    assert grown.memory_gib.p50 == pytest.approx(0.1 + 2 * (known.memory_gib.p50 - 0.1))
    assert grown.request.memory_gib > known.request.memory_gib
    assert grown.input_gib == 2.0
    assert "+100 % for input growth" in grown.memory_gib.reason
    same = Profiler().constrain(known, small)
    assert (same.request, same.input_gib) == (known.request, 1.0)


def test_settings_are_checked():
    """A failure cannot cost nothing."""
    with pytest.raises(ValueError, match="failure_cost_factor"):
        Profiler(failure_cost_factor=0)
