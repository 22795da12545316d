"""Instances of one mapped task on small and on large inputs, under Airflow's real scheduler."""

import time

import pytest

from aiops_provider.domain.task import TaskKey

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]

# What 50 units of input hold, and what a process with Airflow in it needs beside.
LARGE_GIB = 50 * 16 / 1024
TASKS = {"by_rows": "part.rows", "by_file": "path.gib", "by_number": "units", "told": "input_rows"}


class Sized:
    """A DAG that has run once for its history and once with it."""

    def __init__(self, airflow) -> None:
        self.store = airflow.installation.store
        self.ends = [airflow.run("sized", "first", timeout_s=300)]
        self.profiles = self._learned()
        self.ends.append(airflow.run("sized", "second", timeout_s=300))
        self._written_down("second")

    def of_run(self, task: str, run_id: str) -> list:
        """What is on record of the instances of a task in a run."""
        found = self.store.executions(TaskKey("sized", task))
        return [record for record in found if record.run.run_id == run_id]

    def _written_down(self, run_id: str) -> None:
        """Wait for both instances of each task: their ends reach the store after the run's."""
        deadline = time.monotonic() + 90
        while not all(len(self.of_run(name, run_id)) >= 2 for name in TASKS):
            assert time.monotonic() < deadline, {name: self.of_run(name, run_id) for name in TASKS}
            time.sleep(0.5)

    def _learned(self):
        """The profiles, once both instances of each task are in them."""
        deadline = time.monotonic() + 90
        while True:
            profiles = {name: self.store.profile(TaskKey("sized", name)) for name in TASKS}
            if all(each is not None and each.by_input is not None for each in profiles.values()):
                # The scheduler has swapped its snapshot by then, every half second.
                time.sleep(3)
                return profiles
            assert time.monotonic() < deadline, {
                name: [
                    (r.run.map_index, r.outcome, r.usage, r.inputs)
                    for r in self.store.executions(TaskKey("sized", name))
                ]
                for name in TASKS
            }
            time.sleep(0.5)

    def asked(self, task: str, run_id: str) -> list[float]:
        """Memory asked for at the first dispatch of each instance, in order."""
        first = {}
        for each in self.store.placements(task=TaskKey("sized", task)):
            if each.run.run_id == run_id and each.run.try_number == 1:
                known = first.get(each.run.map_index)
                first[each.run.map_index] = (
                    each if known is None else min(each, known, key=lambda one: one.epoch)
                )
        return [first[index].route.request.memory_gib for index in sorted(first)]


@pytest.fixture(scope="module")
def sized(airflow):
    return Sized(airflow)


def test_it_runs(sized):
    """Before and after its profiles are known."""
    assert sized.ends == ["success", "success"]


@pytest.mark.parametrize(("task", "measure"), TASKS.items())
def test_the_measure_is_found(sized, task, measure):
    """The number in the map, the size of the file, the literal, what the description names."""
    assert sized.profiles[task].by_input.measure == measure


@pytest.mark.parametrize("task", TASKS)
def test_before_any_history_both_ask_for_the_same(sized, task):
    """Nobody knows yet what the size does, and a few rows or kilobytes are nothing."""
    small, large = sized.asked(task, "first")
    assert small == large


@pytest.mark.parametrize("task", TASKS)
def test_each_instance_asks_for_its_own_memory(sized, task):
    """The large one for what it held, the small one for clearly less, at the first dispatch."""
    small, large = sized.asked(task, "second")
    assert large > LARGE_GIB
    assert large - small > LARGE_GIB / 2
    assert {each.outcome.value for each in sized.of_run(task, "second")} == {"success"}


def test_a_described_size_is_kept_with_the_run(sized):
    """As one that the task reports itself."""
    sizes = {
        record.run.map_index: record.input_rows
        for record in sized.store.executions(TaskKey("sized", "told"))
    }
    assert sizes == {0: 1, 1: 50}
