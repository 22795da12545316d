"""What a demo found out: for each act what was expected and what was observed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """
    One thing that an act promises.

    Attributes:
        what: In plain words.
        expected: What should be seen.
        observed: What was seen, read from the host or the store.
        met: Whether the two agree.
    """

    what: str
    expected: str
    observed: str
    met: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ActResult:
    """
    One act.

    Attributes:
        act: ``act 0`` … ``act 3``.
        title: What it shows.
        expectations: In the order in which they were checked.
        duration_s: Wall time.
    """

    act: str
    title: str
    expectations: tuple[Expectation, ...]
    duration_s: float

    @property
    def met(self) -> bool:
        """Whether the act did what it says; an act that checked nothing did not."""
        return bool(self.expectations) and all(one.met for one in self.expectations)


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskLine:
    """
    One task of the closing table.

    Attributes:
        task: ``dag/task``, the number of mapped ones and the run.
        runs_known: Finished runs of the task that its profile could come from; 0: priors only.
        request_reason: Why the profile asked for this much.
        memory_gib_asked: What the profile asked for.
        memory_gib_used: Peak of the process tree; ``None`` where nothing measured it.
        cores_asked: What the profile asked for.
        cores_used: Mean over the run; ``None`` where nothing measured it.
        cluster: Where it ran.
        reason: Why there.
        cost_usd: At that cluster's declared price.
        single_cluster_cost_usd: The same in the cheapest cluster that could have done the whole demo
            alone; ``None`` when there is none.
    """

    task: str
    runs_known: int
    request_reason: str
    memory_gib_asked: float
    memory_gib_used: float | None
    cores_asked: float
    cores_used: float | None
    cluster: str
    reason: str
    cost_usd: float | None
    single_cluster_cost_usd: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SuperAlarmLine:
    """
    One super-alarm of the closing list.

    Attributes:
        id: Its id.
        summary: Plain words.
        alarms: How many alarms it holds.
        hypotheses: Best first, each one sentence.
        response: What was done.
    """

    id: str
    summary: str
    alarms: int
    hypotheses: tuple[str, ...]
    response: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoReport:
    """
    The whole demo.

    Attributes:
        host: ``airflow`` or ``prefect``.
        acts: In order.
        notes: What a reader must know: which clusters stand in for a cloud, what was generated.
        tasks: The closing table.
        single_cluster: Name of the cluster of ``single_cluster_cost_usd``, or empty.
        super_alarms: With their hypotheses.
        commands: To look further.
        phases_s: Wall time by phase, seconds.
    """

    host: str
    acts: tuple[ActResult, ...]
    notes: tuple[str, ...] = ()
    tasks: tuple[TaskLine, ...] = ()
    single_cluster: str = ""
    super_alarms: tuple[SuperAlarmLine, ...] = ()
    commands: tuple[str, ...] = ()
    phases_s: Mapping[str, float] = field(default_factory=dict)

    @property
    def met(self) -> bool:
        """Whether every act did what it says."""
        return bool(self.acts) and all(act.met for act in self.acts)


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoOptions:
    """
    What the user asked for.

    Attributes:
        examples: Folder with the host's examples (``aiops.yaml`` and the DAGs or flows).
        keep: Leave the host running at the end and say where it is.
        on_report: Called with the report before a host that is kept is waited for.
    """

    examples: Path
    keep: bool = False
    on_report: Callable[[DemoReport], None] = lambda _report: None
