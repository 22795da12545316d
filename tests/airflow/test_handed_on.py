"""Tasks whose input another task of the run has returned, under Airflow's real scheduler."""

import time

import pytest

from aiops_provider.domain.task import TaskKey

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]

# What 50 units of input hold, and what a process with Airflow in it needs beside.
LARGE_GIB = 50 * 16 / 1024
BY_RUN = {"load": "batch.length", "pulled": "bash_command.extract.length"}
BY_INSTANCE = {"of_name.convert": "prepared.rows", "of_number.hold": "units"}
TASKS = BY_RUN | BY_INSTANCE


class HandedOn:
    """A DAG with a small and a large run for its history, and one of each with it."""

    def __init__(self, airflow) -> None:
        self.airflow, self.store = airflow, airflow.installation.store
        self.ends = [self._run("small-1", 1), self._run("large-1", 50)]
        self.profiles = self._learned()
        self.ends += [self._run("small-2", 1), self._run("large-2", 50)]

    def _run(self, run_id: str, units: int) -> str:
        api = self.airflow.api
        api.trigger("handed_on", run_id, {"units": units})
        return api.wait("handed_on", run_id, timeout_s=300)

    def _learned(self):
        """The profiles, once both sizes of each task are in them."""
        deadline = time.monotonic() + 90
        while True:
            profiles = {name: self.store.profile(TaskKey("handed_on", name)) for name in TASKS}
            if all(each is not None and each.by_input is not None for each in profiles.values()):
                # The scheduler has swapped its snapshot by then, every half second.
                time.sleep(3)
                return profiles
            assert time.monotonic() < deadline, {
                name: [
                    (r.run.run_id, r.run.map_index, r.outcome, r.usage, r.inputs)
                    for r in self.store.executions(TaskKey("handed_on", name))
                ]
                for name in TASKS
            }
            time.sleep(0.5)

    def asked(self, task: str, run_id: str, map_index: int) -> float:
        """Memory asked for at the first dispatch."""
        placements = [
            each
            for each in self.store.placements(task=TaskKey("handed_on", task))
            if (each.run.run_id, each.run.map_index) == (run_id, map_index)
        ]
        return min(placements, key=lambda each: each.epoch).route.request.memory_gib


@pytest.fixture(scope="module")
def handed_on(airflow):
    return HandedOn(airflow)


def test_it_runs(handed_on):
    """Before and after its profiles are known."""
    assert handed_on.ends == ["success"] * 4


@pytest.mark.parametrize(("task", "measure"), TASKS.items())
def test_the_measure_is_found(handed_on, task, measure):
    """An argument, a template, what came before in the group, what the group was given."""
    assert handed_on.profiles[task].by_input.measure == measure


@pytest.mark.parametrize("task", BY_RUN)
def test_a_run_asks_for_what_its_input_needs(handed_on, task):
    """The same task, by what the task before it returned in this run."""
    small, large = (handed_on.asked(task, run_id, -1) for run_id in ("small-2", "large-2"))
    assert large > LARGE_GIB
    assert large - small > LARGE_GIB / 2


@pytest.mark.parametrize("run_id", ["small-2", "large-2"])
@pytest.mark.parametrize("task", BY_INSTANCE)
def test_an_instance_within_a_mapped_group_asks_for_its_own(handed_on, task, run_id):
    """In each run, whatever else that is about."""
    small, large = (handed_on.asked(task, run_id, index) for index in (0, 1))
    assert large > LARGE_GIB
    assert large - small > LARGE_GIB / 2
