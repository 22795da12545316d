"""``aiops schedule``."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime, timedelta

import pytest
import yaml


@pytest.fixture
def demand_file(tmp_path):
    file = tmp_path / "scorer.csv"
    start = datetime(2026, 1, 5, tzinfo=UTC)
    lines = ["observed_at,value"]
    for hour in range(24 * 28):
        moment = start + timedelta(hours=hour)
        busy = moment.weekday() < 5 and 9 <= moment.hour < 17
        lines.append(f"{moment.isoformat()},{100 if busy else 10}")
    file.write_text("\n".join(lines))
    return file


@pytest.fixture
def ask(aiops, demand_file):
    def run(*words: str):
        return aiops("schedule", "--demand", str(demand_file), "--per-instance", "10", *words)

    return run


def test_a_week_for_people(ask):
    answer = ask("--cold-start", "300")
    assert (answer.status, answer.err) == (0, "")
    for words in ("Mon 08:55", "ready at Mon 09:00", "1 to 10, 10 changes a week", "reaction"):
        assert words in answer.out


def test_a_week_for_scripts(ask):
    data = ask("-o", "json").data
    assert len(data["instances"]) == len(data["demand_p95"]) == 168
    assert (data["smallest"], data["largest"], data["sample_count"]) == (1, 10, 672)
    assert data["policy"]["timezone"] == "UTC"
    assert data["reaction"]["reason"]


def test_shorter_slots(ask):
    assert len(ask("--slot", "15", "-o", "json").data["instances"]) == 7 * 96


@pytest.mark.parametrize("export", ["keda", "kubernetes"])
def test_manifests_are_yaml(ask, export):
    made = yaml.safe_load(ask("--export", export).out)
    assert made["metadata"] == {"name": "scorer", "namespace": "default"}


def test_aws_is_json(ask):
    made = json.loads(ask("--export", "aws", "--target", "claims").out)
    assert made["put_scheduled_update_group_action"][0]["AutoScalingGroupName"] == "claims"
    made = json.loads(ask("--export", "aws", "--target", "service/prod/claims").out)
    assert made["put_scheduled_action"][0]["ServiceNamespace"] == "ecs"


@pytest.mark.parametrize(
    ("export", "command"),
    [("airflow", "airflow pools set"), ("prefect", "prefect work-pool set-concurrency-limit")],
)
def test_hosts_get_a_crontab(ask, export, command):
    out = ask("--export", export, "--timezone", "America/Sao_Paulo").out
    assert out.startswith("CRON_TZ=America/Sao_Paulo\n")
    assert command in out
    assert ask("--export", export, "-o", "json").data[0]["command"][0] == export


def test_what_exceeds_the_maximum_is_said(ask):
    assert "Slots that need more than the maximum: 40" in ask("--maximum", "4").err


def test_bad_input_is_named(aiops, ask, demand_file):
    assert "timezone" in ask("--timezone", "Mars/Olympus").err
    assert ask("--timezone", "Mars/Olympus").status == 2
    answer = aiops("schedule", "--demand", str(demand_file))
    assert (answer.status, "--per-instance" in answer.err) == (2, True)
    assert aiops("schedule").status == 2


def test_forecasters_of_others_come_from_the_settings(ask, tmp_path, monkeypatch):
    """One whose library is not there is an error with the line that installs it."""
    monkeypatch.setitem(sys.modules, "statsforecast", None)
    config = tmp_path / "aiops.yaml"
    config.write_text("profiling: {forecasters: [{name: statsforecast, model: AutoTheta}]}\n")
    answer = ask("--config", str(config))
    assert answer.status == 2
    assert "pip install 'aiops-provider[forecast-statsforecast]'" in answer.err.replace("\n", " ")
