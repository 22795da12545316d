"""Forgetting happens in steps that let others write in between."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from aiops_provider.domain.kpi import KpiSample
from aiops_provider.store import Store, retention

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def test_in_small_steps(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the size of the steps, all that is old goes and nothing else does."""
    monkeypatch.setattr(retention, "ROWS_AT_ONCE", 7)
    monkeypatch.setattr(retention, "SERIES_AT_ONCE", 2)
    samples = [
        KpiSample(
            name="k",
            observed_at=NOW + timedelta(hours=hour),
            value=float(hour),
            dimensions={"n": str(n)},
        )
        for n in range(5)
        for hour in range(-14, 1 if n == 0 else 0)
    ]
    store.add_samples(samples)
    counts = store.purge(before=NOW)
    assert (counts["samples"], counts["series"]) == (70, 4)
    assert [item.value for item in store.samples_after(0, 100)[0]] == [0.0]


def test_nothing_is_old(store: Store) -> None:
    """A purge without anything to do tells zeros."""
    assert set(store.purge(before=NOW).values()) == {0}
