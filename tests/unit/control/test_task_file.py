"""Task descriptions in files."""

from __future__ import annotations

import pytest

from aiops_provider.control.task_file import read_task_file
from aiops_provider.domain.task import TaskKey
from aiops_provider.domain.workload import Cadence, Dataset, Etl, ModelCandidate, Training
from aiops_provider.errors import DescriptionError


@pytest.fixture
def read(tmp_path):
    def from_text(text: str):
        file = tmp_path / "task.yaml"
        file.write_text(text, encoding="utf-8")
        return read_task_file(file)

    return from_text


def test_a_description_is_read(read):
    """One description and the name of its task."""
    task, description = read(
        """
        task: medical/train
        kind: training
        dataset: {rows: 50000, format: parquet}
        candidates: [{family: tree_ensemble, hyperparameters: {n_estimators: 300}}]
        """
    )
    assert task == TaskKey("medical", "train")
    candidate = ModelCandidate(family="tree_ensemble", hyperparameters={"n_estimators": 300})
    assert description == Training(
        dataset=Dataset(rows=50000, format="parquet"), candidates=(candidate,)
    )


def test_a_task_id_may_hold_slashes(read):
    """Only the first slash parts namespace and name."""
    assert read("task: flow/a/b\nkind: generic")[0] == TaskKey("flow", "a/b")


def test_a_cadence_is_checked(read):
    """A cron expression is read before anything relies on it."""
    _, description = read("task: a/b\nkind: etl\ncadence: {cron: '0 6 * * 1'}")
    assert description == Etl(cadence=Cadence(cron="0 6 * * 1"))


@pytest.mark.parametrize(
    ("text", "field", "line", "said"),
    [
        ("kind: etl", "task", None, "is missing"),
        ("task: train\nkind: etl", "task", 1, "got 'train'"),
        ("task: 7\nkind: etl", "task", 1, "got 7"),
        ("task: a/\nkind: etl", "task", 1, "namespace/name"),
        ("task: a/b", "kind", None, "is missing"),
        ("task: a/b\nkind: elt", "kind", 2, "got 'elt'"),
        ("task: a/b\nkind: [etl]", "kind", 2, "none of the kinds"),
        ("task: a/b\nkind: etl\njions: 2", "jions", 3, "Did you mean 'joins'?"),
        ("task: a/b\nkind: etl\nsource:\n  volum_gib: 2", "source.volum_gib", 4, "volume_gib"),
        ("task: a/b\nkind: etl\njoins: -1", "joins", 3, "greater than or equal to 0 (got -1)"),
        (
            "task: a/b\nkind: etl\nsource:\n  rows: 0\n  volume_gib: 3",
            "source",
            3,
            "rows is 0 but volume_gib is 3",
        ),
        (
            "task: a/b\nkind: etl\ncadence: {every_s: 5, cron: '@daily'}",
            "cadence",
            3,
            "keep one of them",
        ),
        ("task: a/b\nkind: etl\ncadence: {cron: daily}", "cadence.cron", 3, "has 1 fields"),
        (
            "task: a/b\nkind: training\ncandidates:\n  - {family: tree}",
            "candidates",
            3,
            "",
        ),
        ("task: a/b\nkind: generic\nmemory_gib: 0", "memory_gib", 3, "Pin the memory"),
        (
            "task: a/b\nkind: training\ndataset:\n  rows: -5",
            "dataset.rows",
            4,
            "greater than or equal to 0 (got -5)",
        ),
        (
            "task: a/b\nkind: serving\nlatency_objective_ms: 0",
            "latency_objective_ms",
            3,
            "greater than 0 (got 0)",
        ),
        (
            "task: a/b\nkind: training\naccelerator: A100-80",
            "accelerator",
            3,
            "is no accelerator that the catalogue knows (got 'A100-80'). Did you mean A100-80GB",
        ),
        (
            "task: a/b\nkind: serving\nuser_regions: [sa-east-1]\n"
            "locality: {regions: [eu-central-1, us-east-1]}\nlatency_objective_ms: 50",
            "latency_objective_ms",
            5,
            "is below the network's round trip of 115.1 ms between users in sa-east-1 and us-east-1",
        ),
        ("task: a/b\ntask: a/c\nkind: etl", "task", 2, "twice"),
        ("- task", None, 1, "not a task description"),
        ("task: [a", None, 1, "not valid YAML"),
    ],
)
def test_what_cannot_be_used_is_named(read, text, field, line, said):
    """File, line, field, value and mend of the first problem; nothing is guessed."""
    with pytest.raises(DescriptionError) as refused:
        read(text)
    error = refused.value
    assert error.exit_status == 2
    assert error.file.endswith("task.yaml")
    assert (error.field or "").startswith(field or "")
    assert error.line == line
    assert said in str(error)
    assert error.mend


@pytest.mark.parametrize(
    "said",
    [
        "user_regions: [sa-east-1]\nlocality: {regions: [us-east-1]}\nlatency_objective_ms: 120",
        # Nothing is measured between these.
        "user_regions: [sa-east-1]\nlocality: {regions: [moon, us-east-1]}\nlatency_objective_ms: 5",
        "user_regions: [sa-east-1]\nlocality: {regions: [sa-east-1]}\nlatency_objective_ms: 5",
        "user_regions: [sa-east-1]\nlatency_objective_ms: 5",
        "accelerator: nvidia-tesla-t4",
    ],
)
def test_what_may_be_possible_is_not_refused(read, said):
    """A long enough answer, an unmeasured or the same region, an accelerator by another name."""
    assert read(f"task: a/b\nkind: serving\n{said}")[0] == TaskKey("a", "b")


def test_a_missing_file_is_named(tmp_path):
    """The path stands in the message."""
    with pytest.raises(DescriptionError, match=r"absent\.yaml: the file does not exist"):
        read_task_file(tmp_path / "absent.yaml")
