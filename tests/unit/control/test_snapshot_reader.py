"""What decisions are made from, as the store and the installation have it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from aiops_provider.control.installation import Installation
from aiops_provider.control.snapshot_reader import load_snapshot
from aiops_provider.domain.execution import ExecutionRecord, Outcome, Usage
from aiops_provider.domain.profile import ResourceRequest
from aiops_provider.domain.task import TaskKey, TaskRun
from aiops_provider.settings.schema import Settings

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
TASK = TaskKey("models", "train")
# An accelerator of the user's own: half the datasheet of a T4.
OWN = """\
name,model,aliases,vendor,memory_gib,fp16_tflops,fp32_tflops,bandwidth_gb_per_s,source,date
HALF,HALF,,us,16,32.5,4.05,160,https://example.com,2026-01-01
"""


@pytest.fixture
def installation(sqlite_template, tmp_path):
    """Two clusters, one of which has an accelerator that only the user's own catalogue knows."""
    file = tmp_path / "aiops.db"
    file.write_bytes(sqlite_template.read_bytes())
    folder = tmp_path / "catalog"
    folder.mkdir()
    (folder / "accelerators.csv").write_text(OWN)
    machine = {"cores": 32, "memory_gib": 256}
    settings = Settings.model_validate(
        {
            "store": f"sqlite:///{file}",
            "catalog": {"folder": str(folder)},
            "clusters": [
                {
                    "name": model.lower(),
                    "kind": "local",
                    "capacity": {**machine, "accelerators": {model: 1}},
                }
                for model in ("T4", "HALF")
            ],
        }
    )
    made = Installation.open(settings)
    yield made
    made.close()


def test_the_datasheets_are_those_of_the_installation(installation):
    """Half the datasheet, twice the time: also for a model that the package does not bring."""
    store = installation.require_store()
    store.record_executions(
        [
            ExecutionRecord(
                run=TaskRun(TASK, "r"),
                cluster="t4",
                provider="on_premises",
                region="local",
                started_at=NOW - timedelta(seconds=1000),
                ended_at=NOW,
                outcome=Outcome.SUCCESS,
                request=ResourceRequest(cores=1, memory_gib=1, accelerators=1),
                usage=Usage(peak_memory_gib=1, cpu_seconds=1, duration_s=1000),
            )
        ]
    )
    snapshot = load_snapshot(installation, NOW)
    assert snapshot.accelerators.seconds(TASK, ["HALF"]) == pytest.approx({"HALF": 2000})
