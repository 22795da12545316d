"""
DuckDB as a warehouse: a suite of queries, measured at every size on data of several volumes.

A size is a number of threads and a limit of memory. A runtime is wall time, the shortest of three rounds
that lie apart (the least is what the machine can do; others only add: Python's ``timeit``). What a
query writes while the database is read-only is its spill. Data are generated from a seed; nothing is
downloaded.
"""

from __future__ import annotations

import json
import random
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from aiops_provider.profiling.warehouse_model import WarehouseRun, WarehouseSize

_GIB = 2.0**30
_ROUNDS = 3
THREADS = (1, 2)
MEMORY_MIB = (32, 96, 288)
# DuckDB gives a thread 122,880 rows at a time: less than two of these would keep one thread idle.
ROWS = (250_000, 640_000, 1_600_000)
# AWS Fargate, Linux on x86, us-east-1: USD an hour of a vCPU and of a GiB.
_USD_PER_CORE_H, _USD_PER_GIB_H = 0.04048, 0.004445
# Volumes and memory here are a 32nd of a warehouse's (32 MiB stand for 1 GiB), so that spilling takes
# seconds; the price of memory is scaled with them.
_SCALE = 32.0

QUERIES: Mapping[str, str] = {
    "filter": "select count(*), sum(amount) from facts where amount < 120 and kind % 3 = 1",
    "few groups": "select kind, count(*), avg(amount), max(day) from facts group by kind",
    "many groups": "select customer, item, sum(amount) a, count(*) from facts group by all order by a desc limit 20",
    "distinct": "select count(distinct note), count(distinct customer) from facts",
    "two joins": "select c.region, i.class, avg(f.amount) from facts f join customers c using (customer) "
    "join items i using (item) group by all",
    "large join": "select count(*), sum(a.amount - b.amount) from facts a join facts b on a.id = b.next",
    "sort": "select sum(r * amount) from (select amount, row_number() over (order by amount, id) r from facts)",
    "wide sort": "select max(note) from (select *, row_number() over (order by note, day) r from facts) where r % 7 = 0",
    "window": "select sum(d) from (select amount - lag(amount) over (partition by customer order by day, id) d from facts)",
    "top of each": "select count(*), max(note) from (select *, rank() over (partition by customer order by amount desc) r "
    "from facts) where r <= 3",
}  # fmt: skip


def medium() -> WarehouseSize:
    """The size that a user would begin with: all threads, the middle limit of memory."""
    memory = MEMORY_MIB[len(MEMORY_MIB) // 2] / 1024
    return next(s for s in sizes() if s.threads == THREADS[-1] and s.memory_gib == memory)


def sizes() -> list[WarehouseSize]:
    """Every size that is measured, cheapest first, with its price per second in USD."""
    made = [
        WarehouseSize(
            name=f"{threads} threads, {memory} MiB" if threads > 1 else f"1 thread, {memory} MiB",
            units=_price_per_h(threads, memory) / _price_per_h(THREADS[0], MEMORY_MIB[0]),
            threads=threads,
            memory_gib=memory / 1024,
            price_per_s=_price_per_h(threads, memory) / 3600,
        )
        for threads in THREADS
        for memory in MEMORY_MIB
    ]
    return sorted(made, key=lambda size: size.price_per_s)


def measure(seed: int) -> list[WarehouseRun]:
    """Run everything; the order is shuffled, so that a busy minute meets no size alone."""
    runs: dict[tuple[str, float, str], WarehouseRun] = {}
    with tempfile.TemporaryDirectory(prefix="aiops-warehouse-") as name:
        folder = Path(name)
        volumes = {rows: _generate(folder / f"{rows}.db", rows, seed) for rows in ROWS}
        cells = [(size, rows) for size in sizes() for rows in ROWS]
        order = random.Random(seed)  # noqa: S311 - an order, no secret
        for _ in range(_ROUNDS):
            order.shuffle(cells)
            for size, rows in cells:
                for run in _suite(folder, size, rows, volumes[rows]):
                    cell = run.query, run.volume_gib, run.size.name
                    runs[cell] = _better(runs.get(cell), run)
    return [runs[cell] for cell in sorted(runs)]


def _better(before: WarehouseRun | None, run: WarehouseRun) -> WarehouseRun:
    """The shorter of two runs; a query that failed once is one that fails."""
    if before is None or run.failed:
        return run
    return before if before.failed or before.runtime_s <= run.runtime_s else run


def read_or_measure(file: Path | None, seed: int) -> list[WarehouseRun]:
    """Measurements from a file if it is there, else made and written there."""
    if file is not None and file.is_file():
        return [_run_of(row) for row in json.loads(file.read_text(encoding="utf-8"))]
    runs = measure(seed)
    if file is not None:
        file.write_text(json.dumps([_row_of(run) for run in runs], indent=0), encoding="utf-8")
    return runs


def _price_per_h(threads: int, memory_mib: int) -> float:
    return threads * _USD_PER_CORE_H + memory_mib / 1024 * _SCALE * _USD_PER_GIB_H


def _generate(path: Path, rows: int, seed: int) -> float:
    import duckdb

    with duckdb.connect(str(path)) as database:
        database.execute(
            f"""
            create table facts as select i as id, (i * 7919 + {seed}) % {rows} as next,
              hash(i + {seed}) % {max(rows // 20, 1)} as customer, hash(i * 3 + {seed}) % 1000 as item,
              hash(i * 5 + {seed}) % 12 as kind, date '2025-01-01' + (hash(i * 7 + {seed}) % 365)::int as day,
              (hash(i * 11 + {seed}) % 1000000) / 100.0 as amount,
              'note ' || hash(i * 13 + {seed}) % {max(rows // 3, 1)} as note from range({rows}) t(i)
            """  # noqa: S608 - numbers of our own
        )
        database.execute(
            f"create table customers as select i as customer, 'region ' || i % 40 as region from range({max(rows // 20, 1)}) t(i)"  # noqa: S608
        )
        database.execute(
            "create table items as select i as item, 'class ' || i % 25 as class from range(1000) t(i)"
        )
        database.execute("checkpoint")
    return path.stat().st_size / _GIB


def _suite(folder: Path, size: WarehouseSize, rows: int, volume: float) -> Iterator[WarehouseRun]:
    import duckdb

    told = folder / "told.json"
    settings: dict[str, Any] = {
        "threads": round(size.threads),
        "memory_limit": f"{round(size.memory_gib * 1024)}MiB",
        "temp_directory": str(folder / "spill"),
        "preserve_insertion_order": False,
    }
    for query, text in QUERIES.items():
        # A connection of its own each: what one query left in memory must not serve the next.
        with duckdb.connect(
            str(folder / f"{rows}.db"), read_only=True, config=settings
        ) as warehouse:
            warehouse.execute("SET enable_progress_bar=false")
            warehouse.execute("PRAGMA enable_profiling='json'")
            warehouse.execute(f"SET profiling_output='{told}'")
            failed = False
            began = time.perf_counter()
            try:
                warehouse.execute(text).fetchall()
            except duckdb.OutOfMemoryException:
                failed = True
            spent_s = time.perf_counter() - began
        written = 0 if failed else json.loads(told.read_text())["io"]["total_bytes_written"]
        yield WarehouseRun(
            query=query,
            size=size,
            volume_gib=volume,
            runtime_s=max(spent_s, 1e-6),
            spilled_gib=written / _GIB,
            failed=failed,
        )


def _row_of(run: WarehouseRun) -> dict[str, Any]:
    return {
        "query": run.query,
        "size": run.size.name,
        "volume_gib": run.volume_gib,
        "runtime_s": run.runtime_s,
        "spilled_gib": run.spilled_gib,
        "failed": run.failed,
    }


def _run_of(row: Mapping[str, Any]) -> WarehouseRun:
    known = {size.name: size for size in sizes()}
    return WarehouseRun(**{**row, "size": known[row["size"]]})
