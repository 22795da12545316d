"""Series that stop to report, through the whole engine."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from aiops_provider.detection.limits import WatchConfig
from aiops_provider.detection.rules_file import default_rules, load_rules
from aiops_provider.detection.silence import silence_of, silent_series
from aiops_provider.detection.watch import Watch
from aiops_provider.domain.alarm import AlarmState, ResponseAction
from aiops_provider.domain.cluster import ClusterSpec
from aiops_provider.domain.kpi import KpiSample, SeriesKey

MONDAY = datetime(2026, 11, 2, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
PLACES = (("eks", "aws"), ("aks", "azure"), ("gke", "gcp"), ("onprem", "own"))


def kpi(at, number=0, *, name="requests_per_s", value=100.0):
    cluster, provider = PLACES[number % 4]
    return KpiSample(
        name=name,
        observed_at=at,
        value=value + number,
        dimensions={"dag": f"d{number % 3}", "task": f"t{number}"},
        context={"cluster": cluster, "provider": provider, "run_id": f"r-{at:%H%M}"},
    )


def new_watch(rules="", config=None):
    both = default_rules().overridden_by(load_rules(rules, "r.yaml"))
    clusters = [ClusterSpec(name=c, kind="k", provider=p, region="", pools=()) for c, p in PLACES]
    return Watch(config or WatchConfig(), both, clusters=clusters)


class Stage:
    """Samples as they come, and a look every minute or so."""

    def __init__(self, watch):
        self.watch = watch
        self.alarms = {}
        self.super_alarms = {}
        self.responses = []
        self.raised_at = {}

    def look(self, now, **options):
        found = self.watch.evaluate(now, **options)
        for alarm in found.alarms:
            self.raised_at.setdefault(alarm.id, now)
            self.alarms[alarm.id] = alarm
        self.super_alarms |= {one.id: one for one in found.super_alarms}
        self.responses += found.responses
        return found

    def live(self, begin, end, *, every=5 * MINUTE, reports=lambda at, number: True, series=8):
        at = begin
        while at < end:
            batch = [kpi(at, n) for n in range(series) if reports(at, n)]
            self.watch.observe(batch)
            self.look(at + MINUTE)
            at += every
        return self

    @property
    def open_alarms(self):
        return [one for one in self.alarms.values() if one.state is AlarmState.OPEN]


@pytest.fixture
def stage():
    return Stage(new_watch())


def test_the_silence_of_a_series_names_it_and_back():
    """Alarms are about a series of their own."""
    series = kpi(MONDAY, 3).series
    assert series == silent_series(silence_of(series))
    assert silent_series(series) is None
    assert silent_series(SeriesKey("silence_s")) is None


def test_one_series_that_stops_is_one_alarm_and_clears_when_it_returns(stage):
    """Told after a few missed samples, with its last place; over with the first new sample."""
    gone = MONDAY + 36 * HOUR
    stage.live(MONDAY, gone + 6 * HOUR, reports=lambda at, n: n != 5 or at < gone)
    (alarm,) = stage.alarms.values()

    assert "silence_s" == alarm.series.name
    assert ("requests_per_s", "t5", "aks") == tuple(
        alarm.attributes[name] for name in ("silent_kpi", "task", "cluster")
    )
    assert gone <= alarm.observed_at <= gone + 5 * MINUTE
    assert stage.raised_at[alarm.id] <= gone + 25 * MINUTE
    assert alarm.p_value <= 1e-4
    assert "not reported for" in alarm.reason
    assert {} == stage.super_alarms
    stage.live(gone + 6 * HOUR, gone + 7 * HOUR)
    assert [AlarmState.RESOLVED] == [one.state for one in stage.alarms.values()]


def test_a_source_that_stops_is_one_super_alarm_and_no_cluster_is_blamed(stage):
    """All series of a cluster fall silent: one super-alarm with that cause; nothing is quarantined."""
    gone = MONDAY + 30 * HOUR
    stage.live(MONDAY, gone + 3 * HOUR, series=20, reports=lambda at, n: n % 4 or at < gone)

    (told,) = stage.super_alarms.values()
    assert (5, {"cluster": "eks"}) == (len(told.alarms), told.root_cause.best.cause)
    assert "cluster eks stopped reporting: 5 series of 5 tasks" in told.summary
    assert ResponseAction.NOTHING is told.response.action
    assert "does not say that its work fails" in told.response.reason
    stage.live(gone + 3 * HOUR, gone + 4 * HOUR, series=20)
    (told,) = stage.super_alarms.values()
    assert (AlarmState.RESOLVED, []) == (told.state, stage.open_alarms)


def test_nothing_reports_any_more(stage):
    """Everything falls silent at once: one super-alarm whose cause is unknown."""
    gone = MONDAY + 30 * HOUR
    stage.live(MONDAY, gone)
    for minute in range(0, 120, 5):
        stage.look(gone + minute * MINUTE)

    (told,) = stage.super_alarms.values()
    assert 8 == len(told.alarms)
    assert "8 series of 8 tasks are not reported any more" in told.summary


def test_our_own_absence_is_nobodys_silence(stage):
    """After a night in which nobody listened, silence counts from the return on."""
    stage.live(MONDAY, MONDAY + 30 * HOUR)
    back = MONDAY + 42 * HOUR
    stage.watch.resume(back)
    stage.look(back)
    stage.look(back + 5 * MINUTE)
    assert {} == stage.alarms

    stage.live(back + 6 * MINUTE, back + 3 * HOUR, reports=lambda at, n: n != 7)
    assert ["t7"] == [one.attributes["task"] for one in stage.open_alarms]
    assert "t7" in {dict(one.series.dimensions)["task"] for one in stage.alarms.values()}


def test_what_was_not_read_yet_is_not_missing(stage):
    """While a backlog is read nobody is silent."""
    stage.live(MONDAY, MONDAY + 30 * HOUR)
    for hour in range(1, 8):
        stage.look(MONDAY + (30 + hour) * HOUR, complete=False)

    assert {} == stage.alarms


def office(at, number=0):
    return at.weekday() < 5 and 8 <= at.hour < 18


def test_nights_and_weekends_are_normal_but_not_a_silent_noon(stage):
    """From the third week on the same hours of the week are compared: quiet nights, alarms by day."""
    weeks = MONDAY + 28 * DAY
    stage.live(MONDAY, weeks, reports=office, series=3, every=15 * MINUTE)
    settled = [one for one in stage.alarms.values() if one.observed_at >= MONDAY + 21 * DAY]
    assert [] == settled
    assert len(stage.alarms) <= 3  # the first weekend only

    gone = weeks + timedelta(hours=11)
    stage.live(
        weeks, gone + 4 * HOUR, series=3, every=15 * MINUTE,
        reports=lambda at, n: office(at) and (n != 1 or at < gone),
    )  # fmt: skip
    (alarm,) = stage.open_alarms
    assert "t1" == alarm.attributes["task"]
    assert stage.raised_at[alarm.id] <= gone + 90 * MINUTE


def test_a_series_that_ended_is_retired(stage):
    """After eight missed samples and a week the alarm is over, and it is not told again."""
    gone = MONDAY + 3 * DAY
    stage.live(MONDAY, gone + 9 * DAY, every=HOUR, series=3, reports=lambda at, n: n or at < gone)

    (alarm,) = stage.alarms.values()
    assert AlarmState.RESOLVED is alarm.state
    assert "taken as ended" in alarm.reason
    assert timedelta(days=7) < alarm.last_seen_at - gone + DAY
    stage.live(gone + 9 * DAY, gone + 20 * DAY, every=HOUR, series=3, reports=lambda at, n: n)
    assert 1 == len(stage.alarms)


MAINTENANCE = """
rules:
  - {name: upgrade, when: 'kpi == "silence_s" && cluster == "eks"', ignore: true,
     starts_at: 2026-11-03T06:00:00Z, ends_at: 2026-11-03T10:00:00Z}
"""


def test_a_rule_can_call_a_silence_normal():
    """In the window nothing is told; a series that stays away is told some time after it."""
    stage = Stage(new_watch(MAINTENANCE))
    begin, end = MONDAY + 30 * HOUR, MONDAY + 34 * HOUR
    stage.live(MONDAY, end + MINUTE, reports=lambda at, n: n % 4 or at < begin)
    assert {} == stage.alarms

    stage.live(end + MINUTE, end + 2 * HOUR, reports=lambda at, n: n)
    assert ["t0"] == [one.attributes["task"] for one in stage.open_alarms]
    assert end < min(stage.raised_at.values())


def test_what_a_person_calls_false_is_learned(stage):
    """A silence that was no fault is a gap like others from then on."""
    gone = MONDAY + 30 * HOUR
    stage.live(MONDAY, gone + 3 * HOUR, reports=lambda at, n: n or at < gone)
    assert 1 == len(stage.open_alarms)
    stage.watch.sync([], [])
    stage.live(gone + 3 * HOUR, gone + 8 * HOUR)
    again = gone + 8 * HOUR
    stage.live(again, again + 3 * HOUR, reports=lambda at, n: n)

    assert 1 == len(stage.alarms)
    assert [AlarmState.FALSE_POSITIVE] == [one.state for one in stage.alarms.values()]


def test_an_outage_is_not_learned(stage):
    """The second outage of the same length is told as the first one was."""
    stage.live(MONDAY, MONDAY + DAY)
    for day in (2, 4):
        begin = MONDAY + day * DAY
        stage.live(begin - DAY, begin)
        stage.live(begin, begin + 6 * HOUR, reports=lambda at, n: n)
        stage.live(begin + 6 * HOUR, begin + DAY)

    assert ["t0", "t0"] == [one.attributes["task"] for one in stage.alarms.values()]


def test_a_new_process_knows_what_the_old_one_knew(stage):
    """It neither raises again what is told, nor forgets to end it."""
    gone = MONDAY + 30 * HOUR
    stage.live(MONDAY, gone + 2 * HOUR, reports=lambda at, n: n or at < gone)
    (alarm,) = stage.open_alarms
    history = {
        kpi(MONDAY, n).series: [
            (MONDAY + 5 * m * MINUTE, 100.0 + n)
            for m in range(12 * 32)
            if n or MONDAY + 5 * m * MINUTE < gone
        ]
        for n in range(8)
    }
    successor = Stage(new_watch())
    successor.watch.prime(history, [alarm])
    successor.watch.restore([alarm], [], [])
    successor.live(gone + 2 * HOUR, gone + 4 * HOUR, reports=lambda at, n: n)
    assert {alarm.id} == successor.alarms.keys()
    successor.live(gone + 4 * HOUR, gone + 5 * HOUR)
    assert [AlarmState.RESOLVED] == [one.state for one in successor.alarms.values()]


def test_young_series_and_late_samples_are_not_silent(stage):
    """A series of this morning is not judged; samples that always come late are waited for."""
    stage.live(MONDAY, MONDAY + 10 * HOUR)
    for minute in range(0, 300, 5):
        stage.look(MONDAY + 10 * HOUR + minute * MINUTE)
    assert {} == stage.alarms

    late = Stage(new_watch())
    for step in range(12 * 40):
        at = MONDAY + 5 * step * MINUTE
        late.watch.observe([kpi(at - 30 * MINUTE, n) for n in range(4)])
        late.look(at)
    assert {} == late.alarms


def test_irregular_series_are_given_time():
    """Of ten random series over two weeks, all well, at most one is told once."""
    rng = np.random.default_rng(4)
    stage = Stage(new_watch())
    moments = sorted(
        (MONDAY + timedelta(hours=float(hours)), n)
        for n in range(10)
        for hours in np.cumsum(rng.lognormal(0.0, 1.0, size=250))
    )
    for at, n in moments:
        if at < MONDAY + 14 * DAY:
            stage.watch.observe([kpi(at, n)])
            stage.look(at + MINUTE)

    assert len(stage.alarms) <= 1


def test_bursts_clock_jumps_and_repetitions(stage):
    """Samples twice, backwards and all at one moment: gaps that are none."""
    for hour in range(40):
        at = MONDAY + hour * HOUR
        stage.watch.observe([kpi(at, n) for n in range(4)] * 2)
        stage.watch.observe([kpi(at - 3 * HOUR, n) for n in range(4)])
        stage.look(at + MINUTE)

    assert {} == stage.alarms


def test_false_alarms_stay_within_the_budget():
    """Two hundred series with jitter and lost samples, over a week: at most two alarms."""
    rng = np.random.default_rng(11)
    stage = Stage(new_watch())
    for step in range(24 * 7):
        at = MONDAY + step * HOUR
        lost = rng.random(200) < 0.02
        jitter = rng.normal(0.0, 120.0, size=200)
        stage.watch.observe(
            [kpi(at + timedelta(seconds=float(jitter[n])), n) for n in range(200) if not lost[n]]
        )
        stage.look(at + 10 * MINUTE)
    silent = [one for one in stage.alarms.values() if one.series.name == "silence_s"]

    assert len(silent) <= 2
    assert {} == stage.super_alarms
