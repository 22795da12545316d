"""What every store keeps to, on both databases: no sample is lost and none is counted twice."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from math import inf, nan

import pytest
from sqlalchemy import text

from aiops_provider.domain.kpi import KpiSample, SeriesKey
from aiops_provider.errors import DataError, KpiRejectedError
from aiops_provider.store import IngestReceipt, Store, kpis

NOW = datetime(2026, 3, 29, 1, 30, tzinfo=UTC)
_WAIT_S = 120.0


def sample(number: int = 0, *, task: str = "train", **more: object) -> KpiSample:
    observed = KpiSample(
        name="row_count",
        observed_at=NOW + timedelta(seconds=number),
        value=number + 0.25,
        dimensions={"dag": "medical", "task": task},
        context={"cluster": "eks", "run_id": f"run-{number}"},
    )
    return replace(observed, **more)  # type: ignore[arg-type]


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _WAIT_S
    while not holds():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


class TestIngest:
    def test_what_is_sent_again_is_a_duplicate(self, store: Store) -> None:
        """The same samples again, whole or in part, are told as duplicates and stored once."""
        samples = [sample(i) for i in range(10)]
        assert store.add_samples(samples) == IngestReceipt(accepted=10, duplicates=0)
        more = [*samples[5:], sample(10), sample(10)]
        assert store.add_samples(more) == IngestReceipt(accepted=1, duplicates=6)
        assert store.samples_after(0, 100)[0] == [*samples, sample(10)]

    def test_the_idempotency_key_decides(self, store: Store) -> None:
        """Equal keys are one sample whatever the rest says; unequal keys are two."""
        first = sample(1, idempotency_key="a")
        store.add_samples([first])
        receipt = store.add_samples([sample(2, idempotency_key="a")])
        assert receipt == IngestReceipt(accepted=0, duplicates=1)
        assert store.add_samples([sample(1, idempotency_key="b")]).accepted == 1
        assert store.samples_after(0, 1) == ([first], 1)

    @pytest.mark.parametrize(
        "change",
        [
            {"name": "other"},
            {"value": 9.0},
            {"observed_at": NOW - timedelta(microseconds=1)},
            {"dimensions": {"dag": "medical"}},
            {"dimensions": {"dag": "medicaltask", "": "train"}},
            {"context": {"cluster": "batch"}},
        ],
    )
    def test_without_a_key_all_of_it_decides(self, store: Store, change: dict[str, object]) -> None:
        """Samples that differ in anything are two samples."""
        store.add_samples([sample()])
        assert store.add_samples([sample(0, **change)]).accepted == 1

    def test_the_same_moment_in_another_time_zone_is_the_same_sample(self, store: Store) -> None:
        """A worker that reports in local time does not double its samples."""
        local = NOW.astimezone(timezone(timedelta(hours=5, minutes=45)))
        store.add_samples([sample()])
        assert store.add_samples([sample(0, observed_at=local)]).duplicates == 1

    @pytest.mark.parametrize("value", [nan, inf, -inf])
    def test_a_value_that_is_no_number_refuses_the_batch(self, store: Store, value: float) -> None:
        """Nothing of a batch with such a value is stored; the error names it."""
        with pytest.raises(KpiRejectedError, match=r"value: the value of row_count.* finite .got"):
            store.add_samples([sample(1), sample(2, value=value)])
        assert store.samples_after(0, 10) == ([], 0)

    def test_a_moment_without_time_zone_refuses_the_batch(self, store: Store) -> None:
        """Nothing of a batch with such a moment is stored, whether it has a key or not."""
        naive = NOW.replace(tzinfo=None)
        for key in ("", "k"):
            with pytest.raises(DataError, match="time zone"):
                store.add_samples([sample(1), sample(observed_at=naive, idempotency_key=key)])
        assert store.samples_after(0, 10) == ([], 0)

    def test_a_failure_halfway_leaves_nothing(
        self, store: Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """When the database fails after the first rows, none of them stays."""
        insert = kpis._insert_samples

        def insert_and_fail(connection: object, rows: object) -> int:
            insert(connection, rows)  # type: ignore[arg-type]
            raise DataError("the disk is full")

        monkeypatch.setattr(kpis, "_insert_samples", insert_and_fail)
        with pytest.raises(DataError, match="disk"):
            store.add_samples([sample()])
        assert store.samples_after(0, 10) == ([], 0)
        assert store._database.read(kpis.series_ids, [sample().series]) == {}

    def test_nothing_to_add(self, store: Store) -> None:
        """An empty batch is accepted as such."""
        assert store.add_samples([]) == IngestReceipt(accepted=0, duplicates=0)

    def test_concurrent_writers_of_the_same_samples(self, store: Store) -> None:
        """Threads that send overlapping batches at once store each sample once."""
        batches = [
            [sample(i, task=f"t{i % 7}") for i in range(n, n + 40)] for n in range(0, 80, 10)
        ]
        with ThreadPoolExecutor(4) as pool:
            receipts = list(pool.map(store.add_samples, batches))
        assert sum(receipt.accepted for receipt in receipts) == 110
        assert len(store.samples_after(0, 1000)[0]) == 110

    def test_fifty_thousand_at_once(self, store: Store) -> None:
        """A bulk load far beyond the variables of one statement is stored to the last sample."""
        samples = [sample(i, task=f"t{i % 1000}") for i in range(50_000)]
        assert store.add_samples(samples) == IngestReceipt(accepted=50_000, duplicates=0)
        keys = [item.series for item in samples[:1000]]
        history = store.history(keys, since=NOW)
        assert [len(points) for points in history.values()] == [50] * 1000


class TestCursor:
    def test_goes_on_where_it_stopped(self, store: Store) -> None:
        """Reading in small steps gives every sample once, in order of arrival."""
        late_first = [sample(3), sample(1), sample(2)]
        store.add_samples(late_first)
        read, cursor = [], 0
        while True:
            part, cursor = store.samples_after(cursor, 2)
            if not part:
                break
            read.extend(part)
        assert read == late_first
        store.add_samples([sample(0)])
        assert store.samples_after(cursor, 2)[0] == [sample(0)]

    def test_nothing_new_keeps_the_cursor(self, store: Store) -> None:
        """An empty answer hands back the cursor it was asked with."""
        store.add_samples([sample()])
        _, cursor = store.samples_after(0, 10)
        assert store.samples_after(cursor, 10) == ([], cursor)

    def test_ids_are_not_used_again_after_a_purge(self, store: Store) -> None:
        """A reader whose samples were purged still sees the next ones."""
        store.add_samples([sample(1), sample(2)])
        _, cursor = store.samples_after(0, 10)
        counts = store.purge(before=NOW + timedelta(days=1))
        assert (counts["samples"], counts["series"]) == (2, 1)
        store.add_samples([sample(3)])
        assert store.samples_after(cursor, 10)[0] == [sample(3)]

    def test_a_late_commit_is_not_missed(self, store: Store) -> None:
        """
        A writer that began first and commits last: its samples are read all the same.

        The second writer has to wait for it, else a reader in between would go past its ids.
        """
        may_commit, inserted = threading.Event(), threading.Event()

        def slow(connection: object) -> None:
            kpis.add(connection, kpis.prepare([sample(1)]))  # type: ignore[arg-type]
            inserted.set()
            assert may_commit.wait(_WAIT_S)

        with ThreadPoolExecutor(2) as pool:
            first = pool.submit(store._database.write, slow)
            try:
                assert inserted.wait(_WAIT_S)
                second = pool.submit(store.add_samples, [sample(2)])
                if store.dialect == "postgresql":
                    wait_until(lambda: _writers_waiting(store) == 1)
                seen, cursor = store.samples_after(0, 10)
                assert seen == []
                assert not second.done()
            finally:
                may_commit.set()
            first.result()
            second.result()
        assert store.samples_after(cursor, 10)[0] == [sample(1), sample(2)]

    def test_a_reader_beside_many_writers(self, store: Store) -> None:
        """A reader that follows the cursor while threads write gets every sample exactly once."""
        batches = [[sample(10 * n + i) for i in range(10)] for n in range(30)]
        read: list[KpiSample] = []
        cursor = 0
        with ThreadPoolExecutor(4) as pool:
            writers = [pool.submit(store.add_samples, batch) for batch in batches]
            while not all(writer.done() for writer in writers):
                part, cursor = store.samples_after(cursor, 7)
                read.extend(part)
        for writer in writers:
            writer.result()
        part, cursor = store.samples_after(cursor, 1000)
        read.extend(part)
        assert sorted(item.value for item in read) == [i + 0.25 for i in range(300)]


def _writers_waiting(store: Store) -> int:
    query = text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
    with store._database.engine.connect() as connection:
        return int(connection.execute(query).scalar_one())


class TestHistory:
    def test_of_each_series_oldest_first(self, store: Store) -> None:
        """Each series asked for has its own points, in order of time, whatever their arrival."""
        store.add_samples([sample(2), sample(0), sample(1, task="load")])
        train, load = sample().series, sample(task="load").series
        unknown = SeriesKey("precision")
        assert store.history([train, load, unknown], since=NOW) == {
            train: [(NOW, 0.25), (NOW + timedelta(seconds=2), 2.25)],
            load: [(NOW + timedelta(seconds=1), 1.25)],
            unknown: [],
        }

    def test_since_and_before(self, store: Store) -> None:
        """The window includes its beginning and excludes its end."""
        store.add_samples([sample(i) for i in range(4)])
        series = sample().series
        window = store.history(
            [series], since=NOW + timedelta(seconds=1), before=NOW + timedelta(seconds=3)
        )
        assert [value for _, value in window[series]] == [1.25, 2.25]

    def test_uses_the_index(self, store: Store) -> None:
        """The database looks points up by series and time instead of reading the table."""
        store.add_samples([sample(i, task=f"t{i}") for i in range(2000)])
        where = "series_id IN (1, 2, 3) AND observed_at >= "
        moment = "0" if store.dialect == "sqlite" else "'2026-01-01'"
        query = f"SELECT series_id, observed_at, value FROM aiops_sample WHERE {where} {moment}"  # noqa: S608
        if store.dialect == "postgresql":
            with store._database.engine.connect() as connection:
                connection.execution_options(isolation_level="AUTOCOMMIT").execute(text("ANALYZE"))
        explain = "EXPLAIN QUERY PLAN " if store.dialect == "sqlite" else "EXPLAIN "
        with store._database.engine.connect() as connection:
            plan = "\n".join(str(row) for row in connection.execute(text(explain + query)))
        assert "ix_aiops_sample_series_id_observed_at" in plan

    def test_of_no_series(self, store: Store) -> None:
        """Asking for nothing gives nothing."""
        assert store.history([], since=NOW) == {}
