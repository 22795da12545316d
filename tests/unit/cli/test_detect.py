"""What ``aiops detect`` prints."""

from __future__ import annotations

import csv
import itertools
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest


@pytest.fixture
def kpis(tmp_path):
    """Three days of crash rates an hour; since six hours iOS crashes with version 3.2."""
    file, noise = tmp_path / "kpis.csv", np.random.default_rng(5)
    places = list(
        itertools.product(("ios", "android", "web"), ("3.1", "3.2", "3.3"), ("eu", "us", "ap"))
    )
    with file.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["observed_at", "name", "value", "device", "version", "region"])
        for hour in range(72):
            at = datetime(2026, 11, 1, tzinfo=UTC) + timedelta(hours=hour)
            for device, version, region in places:
                factor = 6.0 if hour >= 66 and (device, version) == ("ios", "3.2") else 1.0
                value = 0.02 * factor * np.exp(noise.normal(0, 0.08))
                writer.writerow([at.isoformat(), "crash_rate", value, device, version, region])
    return str(file)


def test_the_tree_of_hypotheses_is_told_with_what_speaks_against_each(aiops, kpis):
    """So that scripts need not ask again: the conjunction first, its wider parents after it."""
    (one,) = aiops("detect", kpis, "-o", "json").data["super_alarms"]
    assert ("open", 3) == (one["state"], one["size"])
    best, *others = one["hypotheses"]
    assert one["cause"] == best["cause"] == {"device": "ios", "version": "3.2"}
    assert (1.0, 1) == (best["precision"], best["depth"])
    assert best["parent"] in [other["cause"] for other in others]
    assert all(other["counter_evidence"] for other in others)


def test_what_chance_alone_brings_is_told(aiops, kpis):
    """One alarm in 10,000 samples that are judged, and what silences may err beside."""
    told = aiops("detect", kpis, "-o", "json").data
    weeks = 71 / (7 * 24)
    expected = told["judged"] * 1e-4 * 1.1 / weeks
    assert pytest.approx(expected) == told["expected_false_alarms_per_week"]
    assert 2 == told["expected_false_super_alarms_per_week"]
    assert "By chance alone at most" in aiops("detect", kpis).out


def test_what_was_changed_before_stands_with_the_super_alarm(aiops, kpis, tmp_path):
    """The release that fits is told first; the one of a device that is well is not told at all."""
    file = tmp_path / "changes.csv"
    file.write_text(
        "observed_at,kind,words,device,version\n"
        "2026-11-03T17:58:00Z,deploy,3.2 reached all of iOS,ios,3.2\n"
        "2026-11-03T17:59:00Z,config,Android got a new splash screen,android,\n"
        "2026-11-03T17:59:30Z,plan,plan 7 came into force,,\n"
        "2026-11-03T18:30:00Z,deploy,3.2 was hot-fixed,ios,3.2\n"
    )
    (one,) = aiops("detect", kpis, "--changes", str(file), "-o", "json").data["super_alarms"]
    assert [("3.2 reached all of iOS", 120, True), ("plan 7 came into force", 30, False)] == [
        (each["words"], each["before_s"], each["concerns"]) for each in one["changes"]
    ]
    assert one["summary"].endswith("; 2 min before: 3.2 reached all of iOS")
    assert {"device": "ios", "version": "3.2"} == one["cause"]
    assert "Changed 2 min before: 3.2 reached" in aiops("detect", kpis, "--changes", str(file)).out


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("2026-11-03T17:58:00Z,,what", "kind"),
        ("2026-11-03T17:58:00,deploy,what", "time zone"),
        ("yesterday,deploy,what", "is no moment"),
    ],
)
def test_a_change_that_cannot_be_read_is_named(aiops, kpis, tmp_path, row, words):
    """With file, line and column."""
    file = tmp_path / "changes.csv"
    file.write_text(f"observed_at,kind,words\n{row}\n")
    result = aiops("detect", kpis, "--changes", str(file))
    assert result.status != 0
    assert words in result.err


@pytest.fixture
def pipeline(tmp_path):
    """Nine days of three hourly tasks of a DAG and of nine of another; the first one's rows break."""
    file, noise = tmp_path / "pipeline.csv", np.random.default_rng(3)
    tasks = [("sales", task) for task in ("extract", "load", "report")]
    tasks += [("other", f"t{n}") for n in range(9)]
    with file.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["observed_at", "name", "value", "dag", "task", "run_id"])
        for hour in range(216):
            for place, (dag, task) in enumerate(tasks):
                at = datetime(2026, 11, 1, minute=place, tzinfo=UTC) + timedelta(hours=hour)
                for kpi in ("row_count", "null_count", "size"):
                    factor = 4.0 if hour >= 212 and dag == "sales" else 1.0
                    value = 1000.0 * factor * np.exp(noise.normal(0, 0.05))
                    writer.writerow([at.isoformat(), kpi, value, dag, task, f"{dag} {hour}"])
    return str(file)


def test_the_upstream_task_is_told_where_the_lineage_is_given(aiops, pipeline, tmp_path):
    """Without it the DAG is the cause, with it the task that its others use."""
    file = tmp_path / "lineage.csv"
    file.write_text("upstream,downstream\nsales/extract,sales/load\nsales/load,sales/report\n")
    (plain,) = aiops("detect", pipeline, "-o", "json").data["super_alarms"]
    (one,) = aiops("detect", pipeline, "--lineage", str(file), "-o", "json").data["super_alarms"]
    assert {"dag": "sales"} == plain["cause"]
    assert {"dag": "sales", "task": "extract"} == one["cause"]
    assert ["sales/load", "sales/report"] == one["hypotheses"][0]["downstream"]
    assert "and 2 tasks downstream" in one["summary"]


def test_a_lineage_that_cannot_be_read_is_named(aiops, pipeline, tmp_path):
    """With file, line and column."""
    file = tmp_path / "lineage.csv"
    file.write_text("upstream,downstream\nextract,sales/load\n")
    result = aiops("detect", pipeline, "--lineage", str(file))
    assert result.status != 0
    assert "upstream" in result.err
