"""
Predicts what a task will need, from whatever is known about it, and learns from each run.

The room's front door. It blends its predictors' answers, sizes the request, and adds what only the
description knows.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from aiops_provider.domain.execution import ExecutionRecord
from aiops_provider.domain.profile import ByInput, ResourceRequest, Source, WorkloadProfile
from aiops_provider.domain.task import TaskKey, TaskRun
from aiops_provider.domain.units import utc_now
from aiops_provider.domain.workload import TaskDescription, input_size
from aiops_provider.profiling.assembly import Answer, assemble
from aiops_provider.profiling.by_input import by_input
from aiops_provider.profiling.calibration import Calibration
from aiops_provider.profiling.described import grown, terms_of, with_learned
from aiops_provider.profiling.estimate import Learner, Predictor
from aiops_provider.profiling.own_figures import age_in_words
from aiops_provider.profiling.own_history import OwnHistory, run_order
from aiops_provider.profiling.priors import AnalyticPrior
from aiops_provider.profiling.request import enlarged
from aiops_provider.profiling.similar_tasks import SimilarTasks

log = logging.getLogger(__name__)

# Two weeks of a task that runs every 45 minutes; older runs say nothing the newer do not.
MOST_RUNS_KEPT = 500


@dataclass(frozen=True, slots=True)
class _Warm:
    """The last answer for a task, good for as long as nothing that it says has changed."""

    description: TaskDescription | None
    history: tuple[ExecutionRecord, ...]
    profile: WorkloadProfile

    def serves(
        self,
        description: TaskDescription | None,
        history: tuple[ExecutionRecord, ...],
        now: datetime,
    ) -> bool:
        if not history or len(history) != len(self.history):
            return False
        same_runs = all(a is b for a, b in zip(history, self.history, strict=True))
        newest = history[-1].ended_at
        # The reasons tell how old the newest run is.
        same_age = age_in_words(now - newest) == age_in_words(self.profile.predicted_at - newest)
        return same_runs and same_age and description == self.description


class Profiler:
    """
    Predicts profiles and learns from finished tries; safe to call from several threads.

    Args:
        failure_cost_factor: Cost of a run killed for memory, in multiples of the run itself, > 0.
        half_life_days: Age at which a run counts half, > 0.
        half_life_runs: Number of later runs after which a run counts half, > 0; see ``OwnHistory``.
        minimum_runs: Finished runs before own history is used, >= 1.
        predictors: Default: the analytic prior, similar tasks and the task's own history.
    """

    def __init__(
        self,
        *,
        failure_cost_factor: float = 10.0,
        half_life_days: float = 30.0,
        half_life_runs: float = 30.0,
        minimum_runs: int = 1,
        predictors: Sequence[Predictor] | None = None,
    ) -> None:
        if failure_cost_factor <= 0:
            raise ValueError(f"failure_cost_factor must be > 0, got {failure_cost_factor}")
        self._failure_cost_factor = failure_cost_factor
        own = OwnHistory(
            half_life_days=half_life_days,
            half_life_runs=half_life_runs,
            minimum_runs=minimum_runs,
        )
        defaults = (AnalyticPrior(), SimilarTasks(), own)
        self._predictors = defaults if predictors is None else tuple(predictors)
        self._runs: dict[TaskKey, dict[TaskRun, ExecutionRecord]] = {}
        # Read without the lock: each value is replaced as a whole.
        self._history: dict[TaskKey, tuple[ExecutionRecord, ...]] = {}
        self._warm: dict[TaskKey, _Warm] = {}
        # What was said last about each task, for those that learn across tasks.
        self._described: dict[TaskKey, TaskDescription] = {}
        self._lock = threading.Lock()
        self._told: set[tuple[str, str]] = set()

    def learn(self, record: ExecutionRecord) -> None:
        """Take in one finished try; a second record of the same try replaces the first."""
        self.restore((record,))

    def restore(self, records: Iterable[ExecutionRecord]) -> None:
        """Take in many finished tries, in any order, such as after a restart."""
        with self._lock:
            touched = set()
            for record in records:
                task = record.run.task
                self._runs.setdefault(task, {})[record.run] = record
                touched.add(task)
                self._teach(record, self._described.get(record.run.task))
            for task in touched:
                newest = sorted(self._runs[task].values(), key=run_order)[-MOST_RUNS_KEPT:]
                self._runs[task] = {r.run: r for r in newest}
                self._history[task] = tuple(newest)

    def hear(self, lessons: Iterable[tuple[ExecutionRecord, TaskDescription | None]]) -> None:
        """
        Learn from finished tries what tasks that are like theirs need, and nothing about themselves.

        For a host that gets the profiles of tasks with runs from elsewhere.

        Args:
            lessons: Tries, and what was said about their tasks.
        """
        with self._lock:
            for record, description in lessons:
                self._teach(record, description)

    def predict(
        self,
        task: TaskKey,
        description: TaskDescription | None = None,
        *,
        now: datetime | None = None,
        by_likeness: bool = True,
    ) -> WorkloadProfile:
        """
        The complete need of the task's next run.

        Args:
            task: Which task.
            description: What is said about it; pins and limits in it always win.
            now: Runs that ended later are not looked at; default: the present moment.
            by_likeness: Whether what other tasks needed counts.

        Returns:
            Always a profile: a predictor that raises or explodes is left out, with a warning.
        """
        moment = now or utc_now()
        if description is not None:
            self._described[task] = description
        history = tuple(r for r in self._history.get(task, ()) if r.ended_at <= moment)
        remembered = self._warm.get(task)
        if remembered and remembered.serves(description, history, moment):
            return replace(remembered.profile, predicted_at=moment)
        answers = self._answers(task, description, history, moment, by_likeness=by_likeness)
        profile = assemble(
            task,
            description,
            history,
            answers,
            failure_cost_factor=self._failure_cost_factor,
            now=moment,
        )
        profile = terms_of(description).apply(profile)
        if history:
            profile = replace(profile, by_input=self._by_input(profile, description, history))
        if history:
            # Without runs an answer is quick, and there may be very many such tasks.
            self._warm[task] = _Warm(description, history, profile)
        return profile

    def constrain(self, known: WorkloadProfile, description: TaskDescription) -> WorkloadProfile:
        """
        A profile that was learned elsewhere, under what is said about the task now.

        The figures stay where runs are behind them, grown if the input is said to be larger than
        it was; pins, limits and everything that no run can tell come from the description.

        Args:
            known: As stored.
            description: As the host found it beside the task.
        """
        # Of what others needed nothing would be left beside its own runs.
        fresh = self.predict(
            known.task,
            description,
            now=known.predicted_at,
            by_likeness=known.memory_gib.source is not Source.OWN_HISTORY,
        )
        learned = with_learned(fresh, known)
        gib, _ = input_size(description)
        learned = grown(learned, gib)
        return replace(learned, input_gib=gib or known.input_gib)

    def enlarge(self, profile: WorkloadProfile, *, failed: ResourceRequest) -> WorkloadProfile:
        """
        The profile for the next try after one was killed for memory, without waiting for history.

        Args:
            profile: As the killed try had it, or as known now.
            failed: What the killed try was allowed.

        Returns:
            Asking for more memory than *failed*; unchanged where the user pinned the memory.
        """
        if profile.memory_gib.source is Source.PINNED:
            return profile
        described = self._described.get(profile.task)
        request = enlarged(
            profile.request,
            profile.memory_gib,
            failed_gib=failed.memory_gib,
            enough_gib=described.requested_memory_gib if described else None,
        )
        memory = replace(
            profile.memory_gib,
            p95=max(profile.memory_gib.p95, request.memory_gib),
            reason=f"{profile.memory_gib.reason}; {request.reason}",
        )
        return replace(profile, memory_gib=memory, request=request)

    def _by_input(
        self,
        profile: WorkloadProfile,
        description: TaskDescription | None,
        history: tuple[ExecutionRecord, ...],
    ) -> ByInput | None:
        own = next((each for each in self._predictors if isinstance(each, OwnHistory)), None)
        if own is None:
            return None
        return by_input(
            profile,
            history,
            own,
            failure_cost_factor=self._failure_cost_factor,
            requested_gib=description.requested_memory_gib if description else None,
            now=profile.predicted_at,
        )

    def _teach(self, record: ExecutionRecord, description: TaskDescription | None) -> None:
        for predictor in self._predictors:
            if not isinstance(predictor, Learner):
                continue
            try:
                predictor.learn(record, description)
            except Exception as error:  # noqa: BLE001 – a foreign predictor may raise anything
                self._leave_out(predictor.name, f"{type(error).__name__}: {error}", record.run.task)

    def _answers(
        self,
        task: TaskKey,
        description: TaskDescription | None,
        history: tuple[ExecutionRecord, ...],
        now: datetime,
        *,
        by_likeness: bool,
    ) -> list[Answer]:
        answers = []
        for predictor in self._predictors:
            if isinstance(predictor, Learner) and not by_likeness:
                continue
            try:
                estimate = predictor.predict(task, description, history, now=now)
                if estimate is None:
                    continue
                calibration = None
                if not estimate.own_runs:
                    calibration = Calibration(
                        predictor, task=task, description=description, history=history, now=now
                    )
                problem = estimate.explosion
            except Exception as error:  # noqa: BLE001 – a foreign predictor may raise anything
                # One bad predictor must cost its own answer, not the task's start.
                self._leave_out(predictor.name, f"{type(error).__name__}: {error}", task)
                continue
            if problem:
                self._leave_out(predictor.name, problem, task)
            else:
                answers.append(Answer(predictor, estimate, calibration))
        return answers

    def _leave_out(self, name: str, problem: str, task: TaskKey) -> None:
        level = logging.DEBUG if (name, problem) in self._told else logging.WARNING
        self._told.add((name, problem))
        log.log(level, "Predictor %s is left out of the profile of %s: %s", name, task, problem)
