"""Task runs of real workflows with the user's request and the peak that came of it."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

_GIB = 2**30
_ABSENT = ("", "-")
_STAGES = ("train-1", "train-2", "test")


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """
    One task run of a trace.

    Attributes:
        number: Unique within its workflow.
        workflow: Name of the trace.
        kind: Process name; runs of one kind in one workflow are runs of one task.
        submitted_s: Seconds on the clock of the trace.
        completed_s: When its outcome becomes known if its first try is large enough.
        runtime_s: How long memory is held, >= 1.
        asked_gib: The user's request.
        peak_gib: What it really needed, > 0.
        cpus: The user's request.
        cpu_seconds: Processor time used.
        input_gib: Size of its input if known before it starts.
    """

    number: int
    workflow: str
    kind: str
    submitted_s: float
    completed_s: float
    runtime_s: float
    asked_gib: float
    peak_gib: float
    cpus: float
    cpu_seconds: float
    input_gib: float | None = None

    @property
    def hours(self) -> float:
        """How long memory is held."""
        return self.runtime_s / 3600


def read_traces(folder: Path) -> dict[str, list[Job]]:
    """
    Every workflow of ``nfcore_memory/trace_*.csv.gz`` and ``lotaru/lotaru_traces.csv.gz``.

    Returns:
        Jobs by workflow, in the order of submission; empty if the folder holds neither.
    """
    found = {}
    for file in sorted((folder / "nfcore_memory").glob("trace_*.csv.gz")):
        name = f"nfcore {file.name.removeprefix('trace_').removesuffix('.csv.gz')}"
        found[name] = _in_order(_nfcore(name, list(_rows(file))))
    lotaru = folder / "lotaru" / "lotaru_traces.csv.gz"
    if lotaru.is_file():
        rows = list(_rows(lotaru))
        for workflow in sorted({row["workflow"] for row in rows}):
            name = f"lotaru {workflow}"
            found[name] = _in_order(
                _lotaru(name, [row for row in rows if row["workflow"] == workflow])
            )
    return {name: jobs for name, jobs in found.items() if jobs}


def chosen_traces(folder: Path, workflow: str | None) -> dict[str, list[Job]]:
    """
    The workflows whose names contain *workflow*; all of them without it.

    Raises:
        SystemExit: There are none.
    """
    found = {name: jobs for name, jobs in read_traces(folder).items() if (workflow or "") in name}
    if not found:
        raise SystemExit(
            f"--data {folder} holds no workflow of that name: it needs "
            "nfcore_memory/trace_<workflow>.csv.gz or lotaru/lotaru_traces.csv.gz"
        )
    return found


def _in_order(jobs: Iterator[Job]) -> list[Job]:
    return sorted(jobs, key=lambda job: (job.submitted_s, job.number))


def _nfcore(name: str, rows: Sequence[dict[str, str]]) -> Iterator[Job]:
    for number, row in enumerate(rows):
        if (
            row["status"] != "COMPLETED"
            or _number(row["peak_rss"]) <= 0
            or not row["memory"].isdigit()
        ):
            continue
        runtime_s = max(_number(row["realtime"]) / 1000, 1.0)
        yield Job(
            number=number,
            workflow=name,
            kind=row["process"],
            submitted_s=_number(row["submit"]) / 1000,
            completed_s=_number(row["complete"]) / 1000,
            runtime_s=runtime_s,
            asked_gib=_number(row["memory"]) / _GIB,
            peak_gib=_number(row["peak_rss"]) / _GIB,
            cpus=max(_number(row["cpus"]), 1.0),
            cpu_seconds=max(_number(row["%cpu"]), 1.0) / 100 * runtime_s,
        )


def _lotaru(name: str, rows: Sequence[dict[str, str]]) -> Iterator[Job]:
    """
    Runs without time stamps, put on a clock.

    Each node runs by itself from second 0: reduced inputs first (train-1, then train-2), the full
    input last. Of one such stage, all runs of a kind are submitted together, as Nextflow does for
    a list of samples, and a kind when the one before it has ended.
    """
    clock: dict[str, float] = {}
    stages: dict[tuple[str, str, str], list[tuple[int, dict[str, str]]]] = {}
    for number, row in enumerate(rows):
        if _number(row["peak_rss"]) > 0 and _number(row["memory"]) > 0:
            stages.setdefault((row["node"], row["Label"], row["Task"]), []).append((number, row))
    for node, label, kind in sorted(stages, key=lambda stage: _STAGES.index(stage[1])):
        begun = clock.get(node, 0.0)
        for number, row in stages[node, label, kind]:
            runtime_s = max(_number(row["Realtime"]) / 1000, 1.0)
            clock[node] = max(clock.get(node, 0.0), begun + runtime_s)
            yield Job(
                number=number,
                workflow=name,
                kind=kind,
                submitted_s=begun,
                completed_s=begun + runtime_s,
                runtime_s=runtime_s,
                asked_gib=_number(row["memory"]) / _GIB,
                peak_gib=_number(row["peak_rss"]) / _GIB,
                cpus=max(_number(row["cpus"]), 1.0),
                cpu_seconds=max(_number(row["%cpu"]), 1.0) / 100 * runtime_s,
                input_gib=_number(row["TaskInputSizeUncompressed"]) / _GIB or None,
            )


def _rows(file: Path) -> Iterator[dict[str, str]]:
    with gzip.open(file, "rt", encoding="utf-8", newline="") as stream:
        yield from csv.DictReader(stream)


def _number(text: str) -> float:
    return 0.0 if text in _ABSENT else float(text)
