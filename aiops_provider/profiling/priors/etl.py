"""Priors of tasks that move and reshape data, and of those that compute features from it."""

from __future__ import annotations

from aiops_provider.domain.profile import ComputeType, StorageNeed
from aiops_provider.domain.units import BYTES_PER_GIB, gib_from_bytes
from aiops_provider.domain.workload import Dataset, Etl, FeatureEngineering
from aiops_provider.profiling.estimate import Estimate
from aiops_provider.profiling.priors.data_size import (
    NUMBER_BYTES,
    held_gib,
    in_memory_gib,
    on_disk_gib,
    row_count,
    size_in_words,
    size_is_known,
)
from aiops_provider.profiling.priors.guess import (
    PROCESS_MEMORY_GIB,
    PROCESS_START_S,
    Guess,
    between,
    exactly,
)
from aiops_provider.profiling.priors.storage import (
    intermediate_need,
    runs_in_warehouse,
    storage_need,
)

# Copies of the working set that are alive at once, beside the data itself. A join holds its result
# and a hash table of one side; a group-by holds its groups and a partial copy. Engineering
# assumptions, checked against the "5 to 10 times the data" of pandas' author (see data_size).
_PER_JOIN = Guess(0.5, 0.8, 1.5)
_PER_AGGREGATION = Guess(0.1, 0.25, 0.5)
# Whoever streams holds some batches, whatever the volume.
_STREAMING_GIB = between(0.1, 1.0)
# Seconds of one core per record that is parsed, transformed and written, 100,000 a second in a
# compiled engine, 10,000 in Python; and the size of a record of JSON. Engineering assumptions.
_SECONDS_PER_RECORD = between(1e-5, 1e-4)
_RECORD_BYTES = 1000.0
# Cores are at most this busy, or a stream cannot catch up after a stop.
_STREAM_UTILISATION = 0.5
_STREAM_GIB_PER_CORE = 1.0
# A stream has no end; what is planned is a day of it.
_STREAM_S = 86400.0
# A warehouse returns a result, not its table.
_RESULT_GIB = between(0.05, 0.5)
# Seconds per GiB on one core, whole pipelines of reading, parsing, reshaping and writing: 50 MiB/s
# is what pandas' CSV reader alone does on a server core, 5 MiB/s a pipeline of Python functions per
# row. Conservative engineering assumptions.
_SECONDS_PER_GIB = between(1024 / 50, 1024 / 5)
_WAREHOUSE_SECONDS_PER_GIB = between(1.0, 20.0)
_TIME_PER_JOIN = 0.5
_TIME_PER_AGGREGATION = 0.2
# Nobody sends one core through more than this; engines for larger data use several.
_GIB_PER_CORE = 4.0
_MOST_CORES = 16.0
# Python functions computed per row and feature: a million a second vectorised with some overhead,
# a tenth of that row by row.
_FEATURES_PER_S = between(1e-6, 1e-5)
# The table of features is built, copied once and written.
_FEATURE_COPIES = Guess(2.0, 2.5, 3.0)
_UNKNOWN_FEATURES = between(20.0, 200.0)
# Scratch space in multiples of what is read and written.
_SCRATCH = Guess(0.5, 1.0, 2.0)
_GIGABIT_PER_GIB = 8 * BYTES_PER_GIB / 1e9
# Waiting for a warehouse costs hardly any CPU.
_WAITING_CORES = Guess(0.1, 0.2, 0.5)


def etl_prior(description: Etl) -> Estimate:
    """
    Memory is the working set, time is bytes over throughput.

    ``memory = process + data * (1 + joins * 0.5 + aggregations * 0.1)`` at the median, where *data*
    is the source in memory (volume times the expansion of its format; beyond 16 GiB only part of it
    is held, see ``held_gib``); a stream holds batches only, and where a warehouse does the work only the result is held.
    """
    if description.records_per_s is not None:
        return _stream(description, description.records_per_s)
    source = description.source
    joins, aggregations = description.joins or 0, description.aggregations or 0
    pushed_down = runs_in_warehouse(source)
    if pushed_down:
        working_set = _RESULT_GIB
    elif description.streaming:
        working_set = _STREAMING_GIB
    else:
        copies = exactly(1.0) + _PER_JOIN * joins + _PER_AGGREGATION * aggregations
        working_set = held_gib(in_memory_gib(source) * copies)
    seconds = _WAREHOUSE_SECONDS_PER_GIB if pushed_down else _SECONDS_PER_GIB
    effort = 1 + joins * _TIME_PER_JOIN + aggregations * _TIME_PER_AGGREGATION
    what = f"{size_in_words(source)}{_steps(joins, aggregations)}"
    if pushed_down:
        what += ", computed in the warehouse"
    storage = storage_need("source", source) + storage_need("target", description.target)
    if joins and size_is_known(source) and not pushed_down:
        storage += intermediate_need(working_set, reason=f"working set of {joins} joins")
    return _estimate(
        source,
        working_set=working_set,
        core_seconds=on_disk_gib(source) * seconds * effort,
        waits=pushed_down,
        storage=storage,
        what=what,
    )


def _stream(description: Etl, rate: float) -> Estimate:
    """A stream of known rate: cores from the rate, memory per core, traffic from the records' size."""
    steps = 1 + (description.joins or 0) * _TIME_PER_JOIN
    steps += (description.aggregations or 0) * _TIME_PER_AGGREGATION
    cores = (_SECONDS_PER_RECORD * (rate * steps / _STREAM_UTILISATION)).at_least(0.25)
    bytes_per_s = rate * (description.record_bytes or _RECORD_BYTES)
    traffic = between(1.0, 2.0)
    what = f"prior for a stream of {rate:g} records/s"
    volume = bytes_per_s * _STREAM_S / BYTES_PER_GIB
    return Estimate(
        compute_type=ComputeType.CPU,
        memory_gib=(PROCESS_MEMORY_GIB + _STREAMING_GIB + cores * _STREAM_GIB_PER_CORE).quantity(
            what
        ),
        cores=cores.quantity(what),
        duration_s=exactly(_STREAM_S).quantity(f"{what}; a day of it"),
        network_gbps=(traffic * (2 * 8 * bytes_per_s / 1e9)).quantity(f"{what}, in and out"),
        io_mib_per_s=(traffic * (bytes_per_s / 2**20)).quantity(f"{what}, state and log"),
        # Windows and offsets: one to ten percent of a day.
        local_disk_gib=(between(0.01, 0.1) * volume).quantity(f"state of {what}"),
        storage=storage_need("source", description.source)
        + storage_need("target", description.target)
        or None,
    )


def feature_engineering_prior(description: FeatureEngineering) -> Estimate:
    """The source as for an ETL task, and a table of ``rows * features * 8 bytes`` two to three times."""
    source = description.source
    features = exactly(float(description.features)) if description.features else _UNKNOWN_FEATURES
    cells = row_count(source) * features
    table = cells * _FEATURE_COPIES * gib_from_bytes(NUMBER_BYTES)
    core_seconds = on_disk_gib(source) * _SECONDS_PER_GIB + cells * _FEATURES_PER_S
    count = f"{description.features} features" if description.features else "features"
    return _estimate(
        source,
        working_set=held_gib(in_memory_gib(source) + table),
        core_seconds=core_seconds,
        waits=False,
        storage=storage_need("source", source),
        what=f"{count} from {size_in_words(source)}",
    )


def _estimate(
    source: Dataset,
    *,
    working_set: Guess,
    core_seconds: Guess,
    waits: bool,
    storage: tuple[StorageNeed, ...],
    what: str,
) -> Estimate:
    memory = PROCESS_MEMORY_GIB + working_set
    volume = on_disk_gib(source)
    busy = 1.0 if waits else max(1.0, min(_MOST_CORES, volume.p50 / _GIB_PER_CORE))
    cores = _WAITING_CORES if waits else Guess(busy, busy, 2 * busy)
    duration = PROCESS_START_S + core_seconds * (1 / busy)
    known = size_is_known(source)
    moved_gbit = volume.p50 * _GIGABIT_PER_GIB
    return Estimate(
        compute_type=ComputeType.CPU,
        memory_gib=memory.quantity(f"prior for {what}"),
        cores=cores.quantity(f"prior for {what}"),
        duration_s=duration.quantity(f"prior for {what}"),
        local_disk_gib=(volume * _SCRATCH).quantity(f"scratch for {what}") if known else None,
        network_gbps=_rate(moved_gbit, duration).quantity(what)
        if known and source.location
        else None,
        io_mib_per_s=_rate(volume.p50 * 1024, duration).quantity(what) if known else None,
        storage=storage or None,
    )


def _steps(joins: int, aggregations: int) -> str:
    counted = (("join", joins), ("aggregation", aggregations))
    parts = [f"{count} {word}{'s' if count > 1 else ''}" for word, count in counted if count]
    return f" with {' and '.join(parts)}" if parts else ""


def _rate(amount: float, duration: Guess) -> Guess:
    # The shorter the run, the faster the data must come.
    typical = amount / duration.p50
    return Guess(typical, 2 * typical, 4 * typical)
