from pathlib import Path

from aiops_provider.cli.demo.outcome import ActResult, DemoOptions, DemoReport, Expectation


def expectation(*, met):
    return Expectation(what="w", expected="e", observed="o", met=met)


def act(*expectations):
    return ActResult(act="act 0", title="t", expectations=expectations, duration_s=1.0)


def test_an_act_is_met_when_all_it_expects_is_seen():
    """One expectation that is not met is enough."""
    assert act(expectation(met=True)).met
    assert not act(expectation(met=True), expectation(met=False)).met


def test_an_act_that_checked_nothing_is_not_met():
    """A story that was not told has not come true."""
    assert not act().met
    assert not DemoReport(host="airflow", acts=()).met


def test_a_demo_is_met_when_all_its_acts_are():
    """The exit status tells it."""
    good, bad = act(expectation(met=True)), act(expectation(met=False))
    assert DemoReport(host="airflow", acts=(good, good)).met
    assert not DemoReport(host="airflow", acts=(good, bad)).met


def test_a_report_may_be_ignored():
    """Whoever runs a demo from code need not show anything."""
    DemoOptions(examples=Path()).on_report(DemoReport(host="airflow", acts=()))
