"""Tags by which a cloud's bill is split."""

from types import SimpleNamespace

from aiops_provider.control.cost_labels import aws_tags
from aiops_provider.domain.task import TaskKey, TaskRun


def placement(run_id="r1", team=None):
    run = TaskRun(TaskKey("medical", "train"), run_id)
    return SimpleNamespace(run=run, cluster="batch", route=SimpleNamespace(team=team))


def test_a_try_says_whose_it_is():
    """The team only if there is one: an empty tag would be a team of its own."""
    assert {
        "aiops-dag": "medical",
        "aiops-task": "train",
        "aiops-run": "r1",
        "aiops-cluster": "batch",
        "aiops-team": "science",
    } == aws_tags(placement(team="science"))
    assert "aiops-team" not in aws_tags(placement())


def test_a_tag_holds_what_aws_allows():
    """A run's id is kept readable; what is forbidden becomes an underscore."""
    told = aws_tags(placement(run_id="scheduled__2026-03-01T00:00:00+00:00"))
    assert "scheduled__2026-03-01T00:00:00+00:00" == told["aiops-run"]
    assert "a_b_" == aws_tags(placement(run_id="a#bü"))["aiops-run"]
    assert 256 == len(aws_tags(placement(run_id="x" * 300))["aiops-run"])
