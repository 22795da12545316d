"""What a flow run is called, and what its author says about it."""

from __future__ import annotations

import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from aiops_provider import Generic, Training
from aiops_provider.domain.task import TaskKey
from aiops_provider.errors import DescriptionError
from aiops_provider.prefect.configuration import AiopsJobConfiguration
from aiops_provider.prefect.describe import (
    describe,
    flow_inputs,
    known_flow,
    read_description,
    task_key,
)


def configuration(**fields: Any) -> AiopsJobConfiguration:
    made = AiopsJobConfiguration(**fields)
    made._related_objects = {
        "flow": SimpleNamespace(name="train"),
        "deployment": SimpleNamespace(name="linear"),
    }
    return made


def test_history_is_kept_by_flow_and_deployment() -> None:
    """A flow's deployments have histories of their own."""
    assert TaskKey("train", "linear") == task_key(configuration())


def test_a_run_without_deployment_goes_under_its_flow() -> None:
    """A flow that was submitted directly has no deployment name."""
    made = configuration()
    made._related_objects["deployment"] = None
    assert TaskKey("train", "train") == task_key(made)


def test_nothing_said() -> None:
    """Without a word about it a flow run has no description."""
    assert describe(configuration(), {"rows": 3}) is None


def test_said_in_job_variables() -> None:
    """The job variable `task` holds a description."""
    made = configuration(task={"kind": "training", "epochs": 3})
    assert Training(epochs=3) == describe(made, {})


def test_said_in_parameters() -> None:
    """The parameter `aiops` goes before the job variables: it knows this very run."""
    made = configuration(task={"kind": "training", "epochs": 3})
    assert Generic(input_gib=2) == describe(made, {"aiops": {"input_gib": 2}})


def test_pinned() -> None:
    """The job variable `cluster` pins the run, described or not."""
    assert Generic(cluster="a") == describe(configuration(cluster="a"), {})
    made = configuration(cluster="a", task={"kind": "training"})
    assert Training(cluster="a") == describe(made, {})


def test_unusable_description_does_not_stop_a_run(caplog: pytest.LogCaptureFixture) -> None:
    """A description that cannot be used is left out, and the log says which field is wrong."""
    assert describe(configuration(task={"kind": "training", "epochs": -1}), {}) is None
    assert "job_variables.task.training.epochs" in caplog.text


@pytest.mark.parametrize("said", [{"kind": "cooking"}, "much memory", {"memory": 3}])
def test_a_refusal_names_the_field(said: object) -> None:
    """Whoever wrote the description is told where it is wrong."""
    with pytest.raises(DescriptionError, match=r"job_variables\.task"):
        read_description(said, field="job_variables.task")


def test_what_is_asked_of_a_stock_worker_is_evidence() -> None:
    """Memory in the job variables reaches the description, unless that has its own word."""
    made = configuration()
    made._values = {"memory": 4096}
    assert Generic(requested_memory_gib=4) == describe(made, {})
    made = configuration(task={"kind": "training", "requested_memory_gib": 8})
    made._values = {"memory": 4096}
    assert Training(requested_memory_gib=8) == describe(made, {})


def test_parameters_tell_of_the_input(tmp_path: Path) -> None:
    """Numbers, lengths, files and kinds, but neither what describes the run nor what is secret."""
    file = tmp_path / "claims.csv"
    file.write_bytes(b"x" * 2048)
    parameters = {
        "rows": 5000,
        "path": str(file),
        "model": "bert",
        "api_token": "abc",
        "aiops": {"input_rows_of": "rows"},
    }
    said = describe(configuration(), parameters)
    # A busy machine may be too slow for the first look.
    deadline = time.monotonic() + 30
    while "path.gib" not in (facts := dict(flow_inputs(parameters, said))):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert facts.keys() == {"rows", "path", "path.gib", "model", "input_rows"}
    assert (facts["rows"], facts["input_rows"], facts["path.gib"]) == (5000, 5000, 2048 / 2**30)
    assert "bert" not in facts.values()


def test_the_size_of_an_input_counts_before_the_first_run() -> None:
    """Nothing else is known of a flow that nobody described."""
    assert known_flow((("part.gib", 3.0), ("n", 7.0))) == Generic(input_gib=3.0)
    assert known_flow((("n", 7.0),)) is None
