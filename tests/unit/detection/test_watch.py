"""The engine: samples in; alarms, super-alarms and responses out."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from aiops_provider.detection.limits import WatchConfig
from aiops_provider.detection.rules_file import default_rules, load_rules
from aiops_provider.detection.watch import Watch
from aiops_provider.domain.alarm import AlarmState, ResponseAction, Severity
from aiops_provider.domain.task import TaskKey
from aiops_provider.testing.incidents import clusters

HOUR = timedelta(hours=1)


@pytest.fixture
def watch():
    """An engine whose quarantines last an hour."""
    return Watch(WatchConfig(quarantine=HOUR), default_rules(), clusters=clusters())


@pytest.fixture
def one_run(sample):
    """Row counts of 20 tasks, a quarter on each cluster; *bad* clusters report too few."""
    places = [(spec.name, spec.provider, spec.region) for spec in clusters()]

    def make(hours=0.0, *, bad=(), only=None):
        found = []
        allowed = [place for place in places if only is None or place[0] in only]
        for n in range(20):
            cluster, provider, region = allowed[n % len(allowed)]
            value = 220.0 if cluster in bad else 1000.0 + n
            found.append(
                sample(
                    value, "row_count", hours=hours + n / 3600, dag="d", task=f"t{n % 4}",
                    partition=str(n), cluster=cluster, provider=provider, region=region,
                    run_id=f"run-{hours}",
                )
            )  # fmt: skip
        return found

    return make


@pytest.fixture
def primed(watch, one_run):
    """The engine after twenty healthy runs, one every six hours."""
    for back in range(20, 0, -1):
        watch.observe(one_run(-6.0 * back))
    assert () == watch.evaluate(one_run(-6.0)[-1].observed_at).alarms
    return watch


AWS = ("aws-sa-east-1", "aws-us-east-1")
HEALTHY = ("onprem", "azure-westeurope")


def now(start, hours=0.0):
    return start + timedelta(hours=hours, minutes=1)


def test_an_incident_is_told_once_and_answered(primed, one_run, start):
    """Ten alarms of one provider: one super-alarm, its two clusters in quarantine."""
    primed.observe(one_run(bad=AWS))
    found = primed.evaluate(now(start))

    assert (10, 1, 1) == (len(found.alarms), len(found.super_alarms), len(found.responses))
    assert {"provider": "aws"} == found.super_alarms[0].root_cause.best.cause
    assert AWS == found.responses[0].clusters
    assert {found.super_alarms[0].id} == {alarm.super_alarm for alarm in found.alarms}
    assert (20, 20) == (found.samples, found.judged)


def test_nothing_new_is_nothing_to_tell(primed, one_run, start):
    """A second look without samples changes nothing."""
    primed.observe(one_run(bad=AWS))
    primed.evaluate(now(start))
    again = primed.evaluate(now(start, 0.01))

    assert ((), (), ()) == (again.alarms, again.super_alarms, again.responses)


def test_it_ends_when_the_series_are_normal_again(primed, one_run, start):
    """Two healthy runs elsewhere resolve alarms and super-alarm; the quarantine goes on."""
    primed.observe(one_run(bad=AWS))
    primed.evaluate(now(start))
    primed.observe(one_run(0.2, only=HEALTHY))
    assert not [one for one in primed.evaluate(now(start, 0.2)).super_alarms if one.closed_at]
    primed.observe(one_run(0.4, only=HEALTHY))
    found = primed.evaluate(now(start, 0.4))

    assert {AlarmState.RESOLVED} == {alarm.state for alarm in found.alarms}
    assert [AlarmState.RESOLVED] == [one.state for one in found.super_alarms]
    assert {"provider": "aws"} == found.super_alarms[0].root_cause.best.cause
    assert () == found.responses
    assert not primed.has_open


def test_a_lapsed_quarantine_is_renewed_by_new_evidence(primed, one_run, start):
    """After the hour the clusters are tried again; still broken, they are avoided again."""
    primed.observe(one_run(bad=AWS))
    (first,) = primed.evaluate(now(start)).responses
    assert () == primed.evaluate(now(start, 1.1)).responses
    primed.observe(one_run(1.2, bad=AWS))
    (second,) = primed.evaluate(now(start, 1.2)).responses

    assert first.id != second.id
    assert AWS == second.clusters
    assert second.starts_at >= first.expires_at


def test_a_task_that_fails_everywhere_is_held_until_it_succeeds(watch, sample, start):
    """Three clusters, others fine there: hold; a success of the task lifts it."""

    def outcome(task, cluster, failed, hours):
        return sample(failed, "task_failed", hours=hours, dag="d", task=task, cluster=cluster)

    for hour, cluster in enumerate(("onprem", *AWS)):
        watch.observe(outcome(f"u{n}", cluster, 0.0, hour / 60) for n in range(4))
        watch.observe([outcome("broken", cluster, 1.0, hour / 60 + 0.001)])
        found = watch.evaluate(now(start, hour / 60))
    (held,) = found.responses
    assert (ResponseAction.HOLD_TASK, "d/broken") == (held.action, str(held.task))

    for hour in (0.2, 0.4):
        watch.observe([outcome("broken", "onprem", 0.0, hour)])
    (lifted,) = watch.evaluate(now(start, 0.4)).responses
    assert (held.id, now(start, 0.4)) == (lifted.id, lifted.released_at)


def test_what_a_person_calls_false_is_over(primed, one_run, start):
    """Alarm and super-alarm end, the figures count as normal, and it is not raised again."""
    primed.observe(one_run(bad=AWS))
    primed.evaluate(now(start))
    primed.sync([], [])
    primed.evaluate(now(start, 0.01))
    primed.observe(one_run(0.5, bad=AWS))
    found = primed.evaluate(now(start, 0.5))

    assert ((), ()) == (found.super_alarms, found.responses)
    assert not primed.has_open
    assert {AlarmState.FALSE_POSITIVE} == {alarm.state for alarm in found.alarms}


def test_acknowledgement_and_release_are_taken_over(primed, one_run, start):
    """The next change of a super-alarm does not undo what a person did."""
    primed.observe(one_run(bad=AWS))
    found = primed.evaluate(now(start))
    (told,) = found.super_alarms
    released = replace(told.response, released_at=now(start))
    acknowledged = replace(told, state=AlarmState.ACKNOWLEDGED, response=released)
    primed.sync(found.alarms, [acknowledged])
    primed.observe(one_run(0.05, bad=AWS))
    after = primed.evaluate(now(start, 0.05))

    assert () == after.responses
    for one in after.super_alarms:
        assert (AlarmState.ACKNOWLEDGED, released) == (one.state, one.response)


def test_a_new_process_goes_on_where_the_old_one_ended(primed, one_run, start):
    """Restored from what is kept, the engine holds, grows and closes the same super-alarm."""
    run = one_run(bad=AWS)
    primed.observe(run[:14])
    before = primed.evaluate(now(start))
    (told,) = before.super_alarms

    successor = Watch(WatchConfig(), default_rules(), clusters=clusters())
    history = {}
    for back in range(20, 0, -1):
        for one in one_run(-6.0 * back):
            history.setdefault(one.series, []).append((one.observed_at, one.value))
    successor.prime(history, before.alarms)
    successor.restore(before.alarms, [(told, before.alarms)], run[:14])
    successor.observe(run[14:])
    after = successor.evaluate(now(start, 0.01))

    assert [told.id] == [one.id for one in after.super_alarms]
    assert 10 == len(after.super_alarms[0].alarms)
    assert {"provider": "aws"} == after.super_alarms[0].root_cause.best.cause


def test_late_and_repeated_samples_change_nothing(primed, one_run, start):
    """The incident told twice, and an old run that arrives late, are no news."""
    primed.observe(one_run(bad=AWS))
    first = primed.evaluate(now(start))
    primed.observe([*one_run(bad=AWS), *one_run(-3.0, bad=HEALTHY)])
    found = primed.evaluate(now(start, 0.01))

    assert ((), ()) == (found.alarms, found.responses)
    assert len(first.alarms) == 10


def test_series_are_known_from_their_first_sample(watch, sample):
    """Their past is asked for once."""
    assert not watch.knows(sample(1.0).series)
    watch.observe([sample(1.0)])
    assert watch.knows(sample(1.0).series)
    watch.prime({sample(1.0, "other").series: []})
    assert watch.knows(sample(1.0, "other").series)


def test_a_backfill_is_learned_and_not_judged(watch, one_run, start):
    """Old samples make a baseline and no alarm."""
    for back in range(20, 0, -1):
        watch.learn(one_run(-6.0 * back, bad=AWS if back == 5 else ()))

    found = watch.evaluate(now(start))
    assert ((), 0) == (found.alarms, found.samples)
    watch.observe(one_run(bad=AWS))
    assert 10 == len(watch.evaluate(now(start)).alarms)


def test_the_second_incident_knows_the_first(primed, one_run, start):
    """The remedy of the rules, and the earlier super-alarm with the note and what was done."""
    primed.observe(one_run(bad=AWS))
    found = primed.evaluate(now(start))
    (first,) = found.super_alarms
    assert "Check the source and the filters of the task." == first.root_cause.best.remedy
    assert ((), ("row_count",)) == (first.similar, first.kpis)
    primed.sync(found.alarms, [replace(first, note="a mirror was stale")])
    for hours in (0.2, 0.4):
        primed.observe(one_run(hours, only=HEALTHY))
        primed.evaluate(now(start, hours))
    primed.observe(one_run(6.0, bad=AWS))
    (second,) = primed.evaluate(now(start, 6.0)).super_alarms

    (alike,) = second.similar
    assert (first.id, 1.0) == (alike.id, pytest.approx(alike.similarity))
    assert alike.closed_by == "a mirror was stale; quarantine of aws-sa-east-1, aws-us-east-1"


HOLDING = """
version: 1
rules:
  - {name: sales, when: 'dag == "sales"', owner: data@example, hold_downstream: true}
"""


@pytest.fixture
def loaded(sample):
    """An engine that knows a month of two daily row counts."""
    watch = Watch(WatchConfig(), default_rules().overridden_by(load_rules(HOLDING, "holding.yaml")))
    for day in range(30, 0, -1):
        for task in ("load", "clean"):
            watch.observe([sample(1e6 + day, "row_count", hours=-24 * day, dag="sales", task=task)])
    return watch


def of_today(watch, sample, start, value, task="load", hours=0.0):
    watch.observe([sample(value, "row_count", hours=hours, dag="sales", task=task)])
    return watch.evaluate(now(start, hours))


def test_rows_that_vanish_are_told_though_nothing_else_is_wrong(loaded, sample, start):
    """To their owner, and what is published from them waits until they are normal again."""
    found = of_today(loaded, sample, start, 0.0)
    (told,), (response,) = found.super_alarms, found.responses
    assert (Severity.CRITICAL, ("data@example",)) == (told.severity, told.owners)
    assert "1 alarm of task load and dag sales, cause unknown: row_count −100 %" in told.summary
    assert (ResponseAction.HOLD_DOWNSTREAM, (TaskKey("sales", "load"),)) == (
        response.action,
        response.data_of,
    )
    of_today(loaded, sample, start, 1e6, hours=24.0)
    (lifted,) = of_today(loaded, sample, start, 1e6, hours=48.0).responses
    assert (response.id, now(start, 48.0)) == (lifted.id, lifted.released_at)


def test_what_a_person_released_is_used_again(loaded, sample, start):
    """However long its alarm lasts."""
    found = of_today(loaded, sample, start, 0.0)
    (told,) = found.super_alarms
    released = replace(told.response, released_at=now(start))
    loaded.sync(found.alarms, [replace(told, response=released)])
    assert () == of_today(loaded, sample, start, 0.0, hours=24.0).responses


def test_a_drop_that_is_noise_elsewhere_is_not_told_alone(loaded, sample, start):
    """It is an alarm; a super-alarm wants witnesses."""
    found = of_today(loaded, sample, start, 4e5)
    assert (1, ()) == (len(found.alarms), found.super_alarms)
