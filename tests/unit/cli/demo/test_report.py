import json

import pytest

from aiops_provider.cli.demo.narrator import Narrator
from aiops_provider.cli.demo.outcome import (
    ActResult,
    DemoReport,
    Expectation,
    SuperAlarmLine,
    TaskLine,
)
from aiops_provider.cli.demo.report import show
from aiops_provider.cli.output import OutputFormat


@pytest.fixture
def report():
    met = Expectation(what="the run", expected="success", observed="success", met=True)
    unmet = Expectation(what="super-alarms", expected="1", observed="2", met=False)
    return DemoReport(
        host="airflow",
        acts=(
            ActResult(act="act 0", title="observe", expectations=(met,), duration_s=1.5),
            ActResult(act="act 3", title="incident", expectations=(met, unmet), duration_s=2.0),
        ),
        notes=("Processes stand in for the clouds.",),
        tasks=(
            TaskLine(
                task="medical/serve (second)",
                runs_known=1400,
                request_reason="its history",
                memory_gib_asked=0.5,
                memory_gib_used=None,
                cores_asked=1.0,
                cores_used=0.75,
                cluster="onprem",
                reason="the plan",
                cost_usd=0.00012,
                single_cluster_cost_usd=None,
            ),
        ),
        single_cluster="azure-westeurope",
        super_alarms=(
            SuperAlarmLine(
                id="s1", summary="aws", alarms=321, hypotheses=("provider=aws",), response="none"
            ),
        ),
        commands=("aiops alarms",),
        phases_s={"start": 12.0},
    )


def test_json_lists_for_each_act_what_was_expected_and_observed(report, capsys):
    """With the verdict of each expectation, each act and the whole."""
    show(report, output=OutputFormat.JSON)
    told = json.loads(capsys.readouterr().out)
    assert told["met"] is False
    assert [act["met"] for act in told["acts"]] == [True, False]
    assert told["acts"][1]["expectations"][1] == {
        "what": "super-alarms",
        "expected": "1",
        "observed": "2",
        "met": False,
    }


def test_tables_show_tasks_alarms_acts_and_what_to_type_next(report, capsys):
    """What is unknown is a question mark, never 0."""
    show(report, output=OutputFormat.TABLE)
    told = capsys.readouterr().out
    assert "all of them" in told
    for part in (
        "medical/serve (second)",
        "0.50 → ?",
        "1.00 → 0.75",
        "1400 runs",
        "0.000120",
        "alone on azure-westeurope USD",
        "321",
        "provider=aws",
        "1 of 2",
        "Processes stand in for the clouds.",
        "aiops alarms",
    ):
        assert part in told


def test_the_narrator_tells_what_was_expected_where_it_was_not_seen(capsys):
    """An expectation that is met takes one line, another one two."""
    narrator = Narrator()
    narrator.title("Act 0. [bold] stays as it is")
    narrator.expectation(Expectation(what="run", expected="success", observed="success", met=True))
    narrator.expectation(Expectation(what="run", expected="success", observed="failed", met=False))
    told = capsys.readouterr().out
    assert "Act 0. [bold] stays as it is" in told
    assert told.count("expected: success") == 1
    assert "UNMET   run: failed" in told


def test_a_wait_says_something_now_and_then_where_nobody_watches(capsys, monkeypatch):
    """A log shows that a long wait is alive, without a line per look."""
    clock = iter([0.0, 0.0, 1.0, 11.0, 11.0, 12.0])
    monkeypatch.setattr("time.monotonic", lambda: next(clock))
    narrator = Narrator(stderr=True)
    with narrator.waiting("run r1") as update:
        update("1 of 25")
        update("9 of 25")
        update("9 of 25")
    told = capsys.readouterr()
    assert told.out == ""
    assert [line.strip() for line in told.err.splitlines()] == ["run r1: 9 of 25"]
