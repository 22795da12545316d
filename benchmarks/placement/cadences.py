"""Profiles of workloads from traces: how often runs of a class start in each slot and how long."""

from __future__ import annotations

import csv
import gzip
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from aiops_provider.domain.profile import (
    ComputeType,
    Quantity,
    ResourceRequest,
    Source,
    WorkloadProfile,
)
from aiops_provider.domain.task import TaskKey

_SLOTS = 168
_SLOT_S = 3600.0
_WEEK = timedelta(days=7)
_GPUS_PER_MACHINE = 8
# Tokens that an LLM's decoder gives per second and takes of a prompt, to turn tokens into time.
_DECODE_PER_S = 30.0
_PREFILL_PER_S = 5_000.0

_Starts = dict[str, list[tuple[int, float]]]


def philly_jobs(data: Path) -> list[WorkloadProfile]:
    """One workload per virtual cluster and number of GPUs, up to one machine's."""
    starts: _Starts = defaultdict(list)
    times = []
    for row in _rows(data / "philly-jobs" / "philly_train.csv.gz"):
        gpus = int(row["num_gpus"])
        if 0 < gpus <= _GPUS_PER_MACHINE:
            moment = datetime.fromisoformat(row["timestamp"])
            times.append(moment)
            slot = moment.weekday() * 24 + moment.hour
            starts[f"{row['cluster']}-{gpus}"].append((slot, float(row["duration"])))
    weeks = max((max(times) - min(times)) / _WEEK, 1.0)
    return [
        _profile(name, found, weeks, gpus=int(name.rsplit("-", 1)[1]))
        for name, found in sorted(starts.items())
    ]


def azure_conversations(data: Path) -> list[WorkloadProfile]:
    """One workload per class of context and answer length (powers of two); slots of the trace."""
    rows = list(_rows(data / "azure-llm-2023" / "AzureLLMInferenceTrace_conv.csv.gz"))
    times = [datetime.fromisoformat(row["TIMESTAMP"][:26]) for row in rows]
    first, length_s = min(times), (max(times) - min(times)).total_seconds()
    slot_s = length_s / _SLOTS
    starts: _Starts = defaultdict(list)
    for row, moment in zip(rows, times, strict=True):
        context, answer = int(row["ContextTokens"]), int(row["GeneratedTokens"])
        slot = min(int((moment - first).total_seconds() / slot_s), _SLOTS - 1)
        name = f"context-{context.bit_length()}-answer-{answer.bit_length()}"
        seconds = context / _PREFILL_PER_S + answer / _DECODE_PER_S
        # A slot stands for an hour in a profile: time is stretched alike.
        starts[name].append((slot, seconds * _SLOT_S / slot_s))
    return [_profile(name, found, 1.0, gpus=0) for name, found in sorted(starts.items())]


def _profile(
    name: str, runs: list[tuple[int, float]], weeks: float, *, gpus: int
) -> WorkloadProfile:
    slots = np.bincount([slot for slot, _ in runs], minlength=_SLOTS) / weeks
    p50, p80, p95 = np.quantile([seconds for _, seconds in runs], [0.5, 0.8, 0.95]).tolist()
    one = Quantity(p50=1.0, p80=1.0, p95=1.0, source=Source.PRIOR)
    return WorkloadProfile(
        task=TaskKey("trace", name),
        compute_type=ComputeType.GPU if gpus else ComputeType.CPU,
        cores=one,
        memory_gib=one,
        duration_s=Quantity(p50=p50, p80=p80, p95=p95, source=Source.OWN_HISTORY),
        request=ResourceRequest(cores=1.0, memory_gib=1.0, accelerators=gpus),
        predicted_at=datetime(2023, 11, 16, tzinfo=UTC),
        accelerators=gpus,
        starts_by_hour_of_week=tuple(slots.tolist()),
    )


def _rows(path: Path) -> Iterator[dict[str, str]]:
    with gzip.open(path, "rt", newline="") as stream:
        yield from csv.DictReader(stream)
