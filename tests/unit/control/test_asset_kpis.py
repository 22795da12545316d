"""KPIs of asset events are stored with who emitted them, once."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from aiops_provider.control.asset_kpis import AssetKpis, accept_asset_kpis
from aiops_provider.control.installation import Installation
from aiops_provider.domain.task import TaskKey
from aiops_provider.errors import KpiRejectedError
from aiops_provider.settings.schema import Settings

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
SAID = AssetKpis(
    asset="claims",
    task=TaskKey("medical", "load"),
    run_id="r1",
    map_index=2,
    values={"row_count": 5},
)


@pytest.fixture
def installation(tmp_path):
    opened = Installation.open(Settings.model_validate({"store": f"sqlite:///{tmp_path}/a.db"}))
    opened.require_store().upgrade()
    yield opened
    opened.close()


def stored(installation):
    return installation.require_store().samples_after(0, 100)[0]


def test_the_asset_and_its_task_identify_the_series(installation):
    """A mapped task by its index, as everywhere."""
    assert accept_asset_kpis(installation, SAID, NOW).accepted == 1
    (sample,) = stored(installation)
    assert sample.value == 5.0
    assert sample.dimensions == {
        "asset": "claims", "dag": "medical", "task": "load", "partition": "2",
    }  # fmt: skip
    assert sample.context == {"run_id": "r1"}


def test_the_same_event_counts_once_and_another_one_as_well(installation):
    """A task that was cleared emits again, with other figures."""
    assert accept_asset_kpis(installation, SAID, NOW).accepted == 1
    assert accept_asset_kpis(installation, SAID, NOW).duplicates == 1
    again = replace(SAID, values={"row_count": 6})
    assert accept_asset_kpis(installation, again, NOW).accepted == 1


def test_somebody_outside_may_emit_as_well(installation):
    """Then only the asset is known."""
    accept_asset_kpis(installation, replace(SAID, task=None), NOW)
    assert stored(installation)[0].dimensions == {"asset": "claims"}


def test_a_test_run_is_a_series_of_its_own(installation):
    """What somebody tries out is not compared with production."""
    accept_asset_kpis(installation, replace(SAID, run_kind="test"), NOW)
    assert stored(installation)[0].dimensions["run_kind"] == "test"


@pytest.mark.parametrize("value", ["many", None, [1], float("nan")])
def test_what_is_no_number_is_refused(installation, value):
    """And the others with it."""
    with pytest.raises(KpiRejectedError):
        accept_asset_kpis(installation, replace(SAID, values={"a": 1, "row_count": value}), NOW)
    assert stored(installation) == []
