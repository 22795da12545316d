"""Which tasks count as alike."""

from __future__ import annotations

import pytest

from aiops_provider.domain.task import TaskKey
from aiops_provider.domain.workload import Generic
from aiops_provider.profiling.similarity import SimilarityIndex, features_of, words_of


def index_of(*names: str) -> SimilarityIndex:
    index = SimilarityIndex()
    for name in names:
        task = TaskKey("dag", name)
        index.put(task, features_of(task, None))
    return index


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("load_claims-2024", {"load", "claims", "2024"}),
        ("ALIGN:BWA_MEM", {"align", "bwa", "mem"}),
        ("trainXGBoostModel", {"train", "xg", "boost", "model"}),
        ("", set()),
    ],
)
def test_names_are_split_into_words(name, words):
    """Whatever joins the words of a name: case, colons, underscores or digits."""
    assert words_of(name) == words


def test_rare_words_tell_more_than_common_ones():
    """A program's name outweighs a prefix that all names share."""
    index = index_of("flow_sort_a", "flow_bwa_b", "flow_load_c", "flow_plot_d")
    wanted = features_of(TaskKey("dag", "flow_bwa_x"), None)

    def likeness(name: str) -> float:
        return index.name_likeness(wanted, features_of(TaskKey("dag", name), None))

    assert likeness("flow_bwa_b") > 2 * likeness("flow_sort_a") > 0
    assert likeness("unlike") == 0.0


def test_other_sizes_and_operators_make_tasks_less_alike():
    """Request, input volume and operator each take away from the likeness of one name."""
    index = index_of("sort_x", "load_y")
    task = TaskKey("dag", "sort")
    wanted = features_of(task, Generic(operator="A", input_gib=1.0, requested_memory_gib=4.0))
    same = index.likeness(wanted, wanted)
    assert same == pytest.approx(1.0)
    for other in (
        Generic(operator="B", input_gib=1.0, requested_memory_gib=4.0),
        Generic(operator="A", input_gib=9.0, requested_memory_gib=4.0),
        Generic(operator="A", input_gib=1.0, requested_memory_gib=9.0),
    ):
        assert index.likeness(wanted, features_of(task, other)) < same


def test_a_forgotten_task_is_found_no_more():
    """Dropping a task leaves nothing of it in the index."""
    index = index_of("sort")
    wanted = features_of(TaskKey("dag", "sort_2"), None)
    assert index.candidates(wanted) == [TaskKey("dag", "sort")]
    index.drop(TaskKey("dag", "sort"))
    assert index.candidates(wanted) == []


def test_the_number_of_tasks_compared_is_bounded():
    """However many tasks share the namespace, and those with the rarest words come first."""
    index = index_of(*(f"load_{number}" for number in range(500)), "sort")
    found = index.candidates(features_of(TaskKey("dag", "sort_load"), None))
    assert len(found) == 200
    assert found[0] == TaskKey("dag", "sort")


def test_another_pool_or_more_of_its_slots_make_tasks_less_alike():
    """As far as both are known."""
    index = index_of("sort_x", "load_y")
    task = TaskKey("dag", "sort")

    def features(**parameters):
        return features_of(task, Generic(parameters=parameters))

    wanted = features(pool="heavy", pool_slots=4)
    assert index.likeness(wanted, features(pool_slots=4)) == pytest.approx(1.0)
    assert index.likeness(wanted, features(pool="light", pool_slots=4)) < 1
    assert index.likeness(wanted, features(pool="heavy")) < 1
