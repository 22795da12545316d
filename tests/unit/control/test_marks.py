"""What people write when they mark a super-alarm."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from aiops_provider.control.alarms import mark, tell_cause
from aiops_provider.control.installation import Installation
from aiops_provider.domain.alarm import (
    AlarmState,
    CauseKind,
    Hypothesis,
    RootCause,
    Severity,
    SuperAlarm,
)
from aiops_provider.errors import DataError
from aiops_provider.settings.schema import Settings
from aiops_provider.store import Store

NOW = datetime(2026, 11, 24, 14, tzinfo=UTC)


@pytest.fixture
def installation(tmp_path):
    """With one open super-alarm."""
    store = Store.open(f"sqlite:///{tmp_path / 'aiops.db'}")
    store.upgrade()
    best = Hypothesis(
        cause={}, kind=CauseKind.UNKNOWN, support=1.0, precision=1.0, lift=1.0, p_value=1.0,
        confidence=0.0,
    )  # fmt: skip
    store.save_super_alarms(
        [
            SuperAlarm(
                id="s1",
                summary="",
                opened_at=NOW,
                severity=Severity.INFO,
                alarms=(),
                representative="",
                root_cause=RootCause(hypotheses=(best,)),
                updated_at=NOW,
            )
        ]
    )
    yield Installation(settings=Settings(), store=store, clusters=())
    store.close()


def test_a_note_is_kept_until_another_is_written(installation):
    """A mark without a note does not wipe the one that is there."""
    mark(installation, "s1", AlarmState.ACKNOWLEDGED, NOW, note="quota raised")
    mark(installation, "s1", AlarmState.FALSE_POSITIVE, NOW)

    told = installation.require_store().super_alarm("s1")
    assert (AlarmState.FALSE_POSITIVE, "quota raised") == (told.state, told.note)


def test_a_novel_is_refused(installation):
    """The message says what a note is for."""
    with pytest.raises(DataError, match="1000 characters"):
        mark(installation, "s1", AlarmState.ACKNOWLEDGED, NOW, note="x" * 1_001)


def test_a_real_cause_is_kept_until_it_is_taken_back(installation):
    """Also of what is over; an odd id is refused."""
    tell_cause(installation, "s1", {"cluster": "eks"}, NOW, note="disk full")
    told = installation.require_store().super_alarm("s1")
    assert ({"cluster": "eks"}, "disk full") == (told.real_cause, told.note)
    tell_cause(installation, "s1", {}, NOW)
    told = installation.require_store().super_alarm("s1")
    assert ({}, "disk full") == (told.real_cause, told.note)
    with pytest.raises(DataError, match="no such super-alarm"):
        tell_cause(installation, "s2", {}, NOW)
