"""The book of profiles."""

from __future__ import annotations

import pytest

from aiops_provider.domain.task import TaskKey
from aiops_provider.profiling.book import ProfileBook
from aiops_provider.profiling.profiler import Profiler


@pytest.fixture
def profile(now):
    return lambda name: Profiler().predict(TaskKey("dag", name), now=now)


def test_a_book_is_a_mapping(profile):
    """Tasks lead to profiles; an unknown task to nothing."""
    book = ProfileBook([profile("a"), profile("b")])
    assert book.get(TaskKey("dag", "a")).task.name == "a"
    assert book.get(TaskKey("dag", "c")) is None
    assert len(book) == len(list(book)) == 2


def test_a_book_does_not_change(profile):
    """A further profile makes a new book."""
    book = ProfileBook([profile("a")])
    larger = book.with_profile(profile("b"))
    assert (len(book), len(larger)) == (1, 2)
    with pytest.raises(TypeError):
        book[TaskKey("dag", "c")] = profile("c")  # type: ignore[index]


def test_the_last_profile_of_a_task_counts(profile, now):
    """A newer profile takes the place of the older one."""
    old = profile("a")
    new = Profiler().predict(TaskKey("dag", "a"), now=now.replace(year=2027))
    assert ProfileBook([old]).with_profile(new).get(old.task) is new
