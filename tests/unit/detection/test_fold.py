"""Few groups out of many alarmed observations."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from math import comb

import pytest

from aiops_provider.detection.evidence import Row
from aiops_provider.detection.fold import fold_alarms
from aiops_provider.domain.alarm import CauseKind
from aiops_provider.domain.kpi import SeriesKey

NOW = datetime(2026, 11, 2, 14, tzinfo=UTC)
PLACES = {"a": "aws", "b": "aws", "c": "azure", "d": "on_premises"}


def row(task, cluster, *, bad, kpi="rows", **more):
    labels = {"dag": "d", "task": task, **more}
    return Row(
        series=SeriesKey(kpi, tuple(sorted(labels.items()))),
        observed_at=NOW,
        attributes={**labels, "cluster": cluster, "provider": PLACES[cluster], "kpi": kpi},
        value=1.0,
        expected=100.0,
        alarm=f"{kpi}/{task}/{more}" if bad else None,
    )


def folded(rows, hold_after=3):
    folds = fold_alarms(
        [one for one in rows if one.alarm],
        [one for one in rows if not one.alarm],
        hold_after_clusters=hold_after,
    )
    return {
        (tuple(one.root_cause.best.cause.items()), one.root_cause.best.kind, len(one.rows))
        for one in folds
    }


def grid(bad, *, per_cluster=7):
    return [
        row(f"t{n % 5}", cluster, bad=bad(f"t{n % 5}", cluster), partition=f"{cluster}{n}")
        for cluster in "abcd"
        for n in range(per_cluster)
    ]


def test_nothing_wrong_gives_nothing():
    """Without alarms there is no group."""
    assert set() == folded(grid(lambda task, cluster: False))


def test_one_cause_is_one_group():
    """All alarms of a provider's two clusters."""
    found = folded(grid(lambda task, cluster: cluster in "ab"))

    assert {((("provider", "aws"),), CauseKind.CLUSTER, 14)} == found


@pytest.mark.parametrize("per_cluster", [7, 9])
def test_two_causes_of_equal_size_are_told_apart(per_cluster):
    """Each spoils what would speak for the other, and yet both are found."""
    found = folded(grid(lambda task, cluster: cluster in "cd", per_cluster=per_cluster))

    assert {
        ((("cluster", "c"),), CauseKind.CLUSTER, per_cluster),
        ((("cluster", "d"),), CauseKind.CLUSTER, per_cluster),
    } == found


def test_a_few_scattered_alarms_are_no_group():
    """Three alarms that share nothing do not make a super-alarm."""
    rows = grid(lambda task, cluster: False)
    for n, place in enumerate((0, 9, 25)):
        rows[place] = row(
            rows[place].attributes["task"], rows[place].attributes["cluster"],
            bad=True, partition=f"odd{n}",
        )  # fmt: skip

    assert set() == folded(rows)


def test_everything_wrong_is_one_group_of_unknown_cause():
    """Where nothing is healthy there is one group, and it says so."""
    found = folded(grid(lambda task, cluster: True))

    assert {((), CauseKind.UNKNOWN, 28)} == found


def test_many_kpis_of_one_execution_are_one_group():
    """Thirty alarms of one task are told once, without blaming its cluster."""
    rows = grid(lambda task, cluster: False)
    rows += [row("t1", "c", bad=True, kpi=f"k{n}", partition="odd") for n in range(30)]

    assert {((), CauseKind.UNKNOWN, 30)} == folded(rows)


def test_one_alarm_in_each_of_many_kpis_is_chance():
    """Of fifty KPIs of every execution one is in alarm, a different one each time: no group."""
    rows = [
        row(f"t{n}", "abcd"[n % 4], bad=k == n, kpi=f"k{k}", partition=str(n))
        for n in range(20)
        for k in range(50)
    ]

    assert set() == folded(rows)


def test_most_kpis_of_every_execution_are_no_chance():
    """Where half of the fifty KPIs of every execution are in alarm, that is told."""
    rows = [
        row(f"t{n}", "abcd"[n % 4], bad=(k + n) % 2 == 0, kpi=f"k{k}", partition=str(n))
        for n in range(20)
        for k in range(50)
    ]

    assert {((), CauseKind.UNKNOWN, 500)} == folded(rows)


def outcomes(failures, tasks="uvwxyz", clusters="abcd"):
    return [
        row(task, cluster, bad=(task, cluster) in failures, kpi="task_failed")
        for task in tasks
        for cluster in clusters
    ]


def test_a_task_that_fails_on_three_clusters_is_at_fault():
    """Others succeed there: no cluster is blamed."""
    rows = [
        one
        for one in outcomes({("u", c) for c in "abc"})
        if one.attributes["task"] != "u" or one.alarm
    ]

    assert {((("dag", "d"), ("task", "u")), CauseKind.TASK, 3)} == folded(rows)


def test_every_try_is_a_witness():
    """Five failures on two clusters where eight others ran well are not chance."""
    rows = [one for one in outcomes({("u", "a"), ("u", "b")}, clusters="ab") if one.alarm]
    rows = [replace(one, times=times) for one, times in zip(rows, (3, 2), strict=True)]
    rows += outcomes(set(), tasks="vwxy", clusters="ab")
    (fold,) = fold_alarms(
        [one for one in rows if one.alarm],
        [one for one in rows if not one.alarm],
        hold_after_clusters=2,
    )

    assert CauseKind.TASK is fold.root_cause.best.kind
    assert fold.root_cause.best.p_value == pytest.approx(1 / comb(13, 5))


def test_a_task_with_many_instances_of_which_few_fail_is_not_at_fault():
    """Two of its fifty tries failed, on two clusters."""
    rows = outcomes({("u", "a"), ("u", "b")}, clusters="ab")
    fine = [replace(one, times=24) for one in outcomes(set(), tasks="u", clusters="ab")]
    found = fold_alarms(
        [one for one in rows if one.alarm],
        [*fine, *(one for one in rows if not one.alarm)],
        hold_after_clusters=2,
    )

    assert [] == [fold for fold in found if fold.root_cause.best.kind is CauseKind.TASK]


@pytest.mark.parametrize("clusters", ["a", "ab"])
def test_a_task_that_fails_on_fewer_is_not_yet(clusters):
    """One or two failed tries may be chance."""
    rows = outcomes({("u", c) for c in clusters})
    rows = [one for one in rows if one.attributes["task"] != "u" or one.alarm]

    assert CauseKind.TASK not in {kind for _, kind, _ in folded(rows)}


def test_a_task_that_succeeds_elsewhere_is_not_at_fault():
    """It failed on three clusters but succeeds on as many places."""
    rows = outcomes({("u", c) for c in "abc"})
    rows += [row("u", "d", bad=False, kpi="task_failed", partition=str(n)) for n in range(5)]

    assert set() == folded(rows)


def test_many_tasks_that_fail_on_one_cluster_blame_the_cluster():
    """They succeed elsewhere: the cluster is at fault, no task."""
    found = folded(outcomes({(task, "c") for task in "uvwxyz"}))

    assert [CauseKind.CLUSTER] == [kind for _, kind, _ in found]
    assert {"c"} & {value for cause, _, _ in found for _, value in cause}


def test_a_broken_provider_is_not_a_broken_task():
    """A task fails on both clusters of a provider, as all others do there."""
    found = folded(outcomes({(task, c) for task in "uvwxyz" for c in "ab"}), hold_after=2)

    assert {((("provider", "aws"),), CauseKind.CLUSTER, 12)} == found


def test_a_failure_of_one_try_is_no_group():
    """It stays an alarm."""
    assert set() == folded(outcomes({("u", "a")}))


def test_versions_that_fail_on_one_system_do_not_blame_the_system():
    """Two causes share a condition; where a third version is fine, both are told with their version."""

    def bad(system, version):
        return system == "ios" and version in {"3.0", "3.1"}

    rows = [
        row(f"t{n}", "abcd"[n % 4], bad=bad(system, version), os=system, version=version)
        for n in range(12)
        for system in ("ios", "android", "web")
        for version in ("3.0", "3.1", "3.2", "3.3")
    ]
    assert [{"os": "ios", "version": "3.0"}, {"os": "ios", "version": "3.1"}] == sorted(
        (dict(cause) for cause, _, _ in folded(rows)), key=lambda cause: cause["version"]
    )


def test_what_was_healthy_before_the_later_of_two_troubles_does_not_speak_against_it():
    """A task breaks an hour before a cluster does; until then the cluster was fine."""
    later = NOW + timedelta(hours=1)
    rows = [row("t0", cluster, bad=True, partition=f"{n}") for n, cluster in enumerate("abcd" * 3)]
    for n in range(1, 9):
        rows += [row(f"t{n}", cluster, bad=False) for cluster in "abcd"]
        rows.append(replace(row(f"u{n}", "d", bad=True), observed_at=later))
        rows += [replace(row(f"u{n}", cluster, bad=False), observed_at=later) for cluster in "abc"]
    found = {
        tuple(fold.root_cause.best.cause.items()): fold.root_cause.best
        for fold in fold_alarms(
            [one for one in rows if one.alarm],
            [one for one in rows if not one.alarm],
            hold_after_clusters=3,
        )
    }

    assert 1.0 == found[("cluster", "d"),].precision
    assert {(("task", "t0"),), (("cluster", "d"),)} == found.keys()


def test_two_clusters_of_a_provider_do_not_blame_the_provider_nor_name_it_again():
    """The further condition holds the wider one, which is not repeated."""
    places = {f"gcp-{n}": "gcp" for n in range(5)} | {f"aws-{n}": "aws" for n in range(5)}
    broken = {"gcp-1", "gcp-3"}
    rows = [
        replace(
            row(f"t{n}", "a", bad=cluster in broken, partition=f"{cluster}{n}"),
            attributes={
                **row(f"t{n}", "a", bad=False, partition=f"{cluster}{n}").attributes,
                "cluster": cluster,
                "provider": provider,
            },
        )
        for cluster, provider in places.items()
        for n in range(8)
    ]

    assert [{"cluster": "gcp-1"}, {"cluster": "gcp-3"}] == sorted(
        (dict(cause) for cause, _, _ in folded(rows)), key=lambda cause: cause["cluster"]
    )


def test_what_is_known_at_the_end_of_a_try_makes_no_other_execution_of_it():
    """Its duration is reported with the code that ran, its rows are not: one try all the same."""
    rows = []
    for one in grid(lambda task, cluster: cluster in "ab"):
        ended = replace(
            one,
            series=SeriesKey("duration_s", one.series.dimensions),
            attributes={
                **one.attributes,
                "kpi": "duration_s",
                "code_hash": "5d41",
                "image": "etl:7",
            },
            alarm=None,
        )
        rows += [one, ended]
    (fold,) = fold_alarms(
        [one for one in rows if one.alarm],
        [one for one in rows if not one.alarm],
        hold_after_clusters=3,
    )
    best = fold.root_cause.best
    assert ({"provider": "aws"}, 1.0) == (best.cause, best.precision)
