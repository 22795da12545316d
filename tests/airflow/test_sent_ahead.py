"""The only cluster, a local one, under the real scheduler: it is sent more than runs at a time."""

import time
from itertools import accumulate
from pathlib import Path

import psutil
import pytest

from aiops_provider.cli.demo.airflow_stage import AirflowStage

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]

DAGS = Path(__file__).with_name("ahead_dags")
AT_ONCE = 2
TASKS = 30


class Crowd:
    """A started stage with what its tasks wrote down."""

    def __init__(self, stage: AirflowStage) -> None:
        self.stage = stage

    def lines(self) -> list[list[str]]:
        """What happened, which task, which try, when."""
        file = self.stage.home / "ledger" / "crowd"
        return [line.split() for line in file.read_text().splitlines()] if file.exists() else []

    def until(self, condition) -> None:
        deadline = time.monotonic() + 120
        while not condition():
            assert time.monotonic() < deadline, self.lines()
            time.sleep(0.1)

    def forget(self) -> None:
        (self.stage.home / "ledger" / "crowd").unlink(missing_ok=True)


def command_of(process: psutil.Process) -> str:
    """Nothing of one that has just ended."""
    try:
        return " ".join(process.cmdline())
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return ""


@pytest.fixture(scope="module")
def crowd(tmp_path_factory):
    home = tmp_path_factory.mktemp("ahead") / "home"
    variables = {
        "LEDGER": str(home / "ledger"),
        "AIRFLOW__CORE__PARALLELISM": str(AT_ONCE),
        "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "5",
    }
    with AirflowStage(home, DAGS, variables=variables) as stage:
        (home / "ledger").mkdir()
        stage.migrate()
        stage.start(["crowd", "hurry"])
        yield Crowd(stage)


def test_no_more_run_at_a_time_than_may_and_the_heavier_comes_first(crowd):
    """What waits in the pool keeps neither `parallelism` nor priorities from being heeded."""
    crowd.stage.api.trigger("crowd", "r1")
    crowd.until(lambda: len(crowd.lines()) >= 2 * AT_ONCE)
    crowd.stage.api.trigger("hurry", "r1")
    assert {"success"} == {
        crowd.stage.api.wait(name, "r1", timeout_s=180) for name in ("crowd", "hurry")
    }
    lines = crowd.lines()
    order = [index for what, index, *_ in lines if what == "starts"]
    assert sorted(order) == sorted([*map(str, range(TASKS)), "hurry"])
    assert order.index("hurry") < len(order) - AT_ONCE
    moments = sorted((float(at), 1 if what == "starts" else -1) for what, *_, at in lines)
    assert AT_ONCE == max(accumulate(step for _, step in moments))


def test_what_waits_in_the_pool_of_a_killed_scheduler_is_not_lost(crowd):
    """Its successor queues it anew; of what ran, only what was killed runs again."""
    crowd.forget()
    crowd.stage.api.trigger("crowd", "r2")
    crowd.until(lambda: len(crowd.lines()) >= 3 * AT_ONCE)
    below = psutil.Process(crowd.stage.scheduler_pid).children(recursive=True)
    ours = [each for each in below if "aiops" in command_of(each)]
    assert ours
    crowd.stage.kill_scheduler()
    _, alive = psutil.wait_procs(ours, timeout=15)
    assert not alive
    assert "success" == crowd.stage.api.wait("crowd", "r2", timeout_s=240)
    lines = crowd.lines()
    ends = [index for what, index, *_ in lines if what == "ends"]
    starts = [index for what, index, *_ in lines if what == "starts"]
    assert {str(index) for index in range(TASKS)} == set(ends)
    assert len(starts) - TASKS <= 2 * AT_ONCE, "more ran again than can have been killed"
