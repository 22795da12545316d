"""``aiops profile``."""

from __future__ import annotations

from datetime import timedelta

import pytest

from aiops_provider.domain.units import utc_now


@pytest.fixture
def task_file(tmp_path):
    file = tmp_path / "task.yaml"
    file.write_text(
        "task: medical/train\nkind: training\ndataset: {rows: 50000, format: parquet, location: s3://b}\n"
        "cadence: {cron: '30 6 * * mon-fri'}\nsla: {deadline_s: 3600}\nlocality: {regions: [sa-east-1]}\n"
        "idempotent: true\n"
    )
    return file


@pytest.fixture
def history_file(tmp_path):
    started = utc_now() - timedelta(hours=2)
    file = tmp_path / "runs.csv"
    file.write_text(
        "task,started_at,duration_s,outcome,peak_memory_gib,cpu_seconds,requested_memory_gib\n"
        f"medical/train,{(started - timedelta(days=1)).isoformat()},20,success,0.21,18,0.5\n"
        f"medical/train,{started.isoformat()},20,success,0.22,18,0.5\n"
        f"medical/load,{started.isoformat()},20,success,9,18,9\n"
    )
    return file


def test_profile_as_json(aiops, task_file):
    """Every figure has quantiles, source and reason; the request is what a cluster is asked for."""
    answer = aiops("profile", str(task_file), "--output", "json")
    assert (answer.status, answer.err) == (0, "")
    assert answer.data["task"] == {"namespace": "medical", "name": "train"}
    assert answer.data["memory_gib"]["source"] == "prior"
    assert answer.data["request"]["memory_gib"] >= 0.4
    assert sum(answer.data["starts_by_hour_of_week"]) == pytest.approx(5.0)


def test_history_is_used(aiops, task_file, history_file):
    """Own runs bring the request down; rows of other tasks are left out and said to be."""
    answer = aiops("profile", str(task_file), "--history", str(history_file), "-o", "json")
    assert answer.data["memory_gib"]["sample_count"] == 2
    assert answer.data["request"]["memory_gib"] < 0.4
    assert answer.err == "Rows of other tasks left out: 1\n"


def test_tables_are_for_people(aiops, task_file, history_file):
    """Figures, request and terms; the reasons only when asked for."""
    answer = aiops("profile", str(task_file), "--history", str(history_file))
    for words in (
        "What medical/train will need",
        "own_history",
        "sa-east-1",
        "3600 s",
        "source storage",
    ):
        assert words in answer.out
    assert "2 own runs" not in answer.out
    why = aiops("profile", str(task_file), "--history", str(history_file), "--why")
    assert "peak memory of 2 own runs, newest " in why.out


def test_classes_of_input_are_shown(aiops, task_file, tmp_path):
    """What a small and what a large input need."""
    started = utc_now() - timedelta(hours=2)
    file = tmp_path / "runs.csv"
    file.write_text(
        "task,started_at,duration_s,peak_memory_gib,input.n\n"
        f"medical/train,{started.isoformat()},20,0.2,1\n"
        f"medical/train,{started.isoformat()},90,3.1,50\n"
    )
    answer = aiops("profile", str(task_file), "--history", str(file))
    assert "By what is known of the input" in answer.out
    assert "What a plan counts" in answer.out
    assert "50.0%" in answer.out
    assert "3.1 GiB" in answer.out
    assert "0.2 GiB" in answer.out


def test_gpus_and_instances_are_shown(aiops, tmp_path):
    """A language model that many people talk to."""
    file = tmp_path / "serve.yaml"
    file.write_text(
        "task: chat/serve\nkind: serving\nmodel: {name: llama-3-70b}\nconcurrent_requests: 200\n"
    )
    answer = aiops("profile", str(file))
    for words in ("GPU memory", "latency", "any GPU", "instances"):
        assert words in answer.out


@pytest.mark.parametrize(("objective_ms", "kept"), [("1", "kept by 0 %"), ("1e9", "kept by 100 %")])
def test_an_objective_is_shown_with_how_often_it_is_kept(aiops, tmp_path, objective_ms, kept):
    """Nobody should find out in production that no machine answers that fast."""
    file = tmp_path / "serve.yaml"
    file.write_text(
        "task: chat/serve\nkind: serving\nmodel: {name: llama-3-70b}\nconcurrent_requests: 200\n"
        f"user_regions: [eu-west-1]\nlatency_objective_ms: {objective_ms}\n"
    )
    answer = aiops("profile", str(file))
    assert "latency objective" in answer.out
    assert kept in answer.out
    assert "eu-west-1" in answer.out


def test_settings_decide_the_size(aiops, task_file, tmp_path):
    """aiops.yaml says what a failure costs."""
    requests = []
    for factor in (1, 100):
        config = tmp_path / f"{factor}.yaml"
        config.write_text(f"profiling: {{failure_cost_factor: {factor}}}\n")
        answer = aiops("profile", str(task_file), "--config", str(config), "-o", "json")
        requests.append(answer.data["request"]["memory_gib"])
    assert requests[0] < requests[1]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("kind: etl", "task: is missing"),
        (
            "task: a/b\nkind: etl\nsource: {rows: 0, volume_gib: 3}",
            ":3: source: rows is 0 but volume_gib is 3",
        ),
        (
            "task: a/b\nkind: etl\njoins: -2",
            ":3: joins: input should be greater than or equal to 0 (got -2)",
        ),
        ("task: a/b\nkind: etl\ncadence: {cron: 61 * * * *}", "cadence.cron: minute"),
    ],
)
def test_bad_descriptions_exit_with_two(aiops, tmp_path, text, said):
    """One message on stderr names file, line, field, value and mend; stdout stays empty."""
    file = tmp_path / "bad.yaml"
    file.write_text(text)
    answer = aiops("profile", str(file))
    assert (answer.status, answer.out) == (2, "")
    assert "bad.yaml" in answer.err
    assert said in answer.err
    assert len(answer.err.splitlines()) == 1


def test_bad_histories_exit_with_two(aiops, task_file, tmp_path):
    """The line and column of the first bad cell."""
    file = tmp_path / "runs.csv"
    file.write_text("started_at,duration_s\n2026-01-05T06:00:00Z,soon\n")
    answer = aiops("profile", str(task_file), "--history", str(file))
    assert answer.status == 2
    assert "runs.csv:2: duration_s: is no number >= 0 (got 'soon')" in answer.err


def test_a_sentence_instead_of_a_file(aiops):
    """The sentence is profiled, and what it leaves open is asked on stderr."""
    answer = aiops("profile", "--sentence", "nightly XGBoost on 50 GB of claims", "-o", "json")
    assert answer.status == 0
    assert answer.data["accelerator_choice"]["value"] == "none"
    assert "How many rows" in answer.err


def test_the_schema_of_a_task_file(aiops):
    """``--schema`` prints JSON Schema and needs no task."""
    answer = aiops("profile", "--schema")
    assert answer.status == 0
    assert '"discriminator"' in answer.out


def test_neither_file_nor_sentence_is_refused(aiops):
    """Exit status 2 and what to give."""
    answer = aiops("profile")
    assert answer.status == 2
    assert "--sentence" in answer.err


@pytest.mark.parametrize("command", ["profile", "plan --workloads"])
def test_an_accelerator_of_the_users_own_catalogue_can_be_asked_for(aiops, tmp_path, command):
    """Whoever added a datasheet may name it in a task file, as in the clusters."""
    folder = tmp_path / "own"
    folder.mkdir()
    header = "name,model,aliases,vendor,memory_gib,fp16_tflops,fp32_tflops,bandwidth_gb_per_s"
    row = "NPU,NPU,,us,16,32,4,160,https://example.com,2026-01-01"
    (folder / "accelerators.csv").write_text(f"{header},source,date\n{row}\n")
    (tmp_path / "aiops.yaml").write_text(
        f"catalog: {{folder: {folder}}}\n"
        "clusters: [{name: npu, kind: local, price_usd_per_hour: 1,"
        " capacity: {cores: 8, memory_gib: 64, accelerators: {NPU: 1}}}]\n"
    )
    (tmp_path / "task.yaml").write_text(
        "task: models/train\nkind: training\naccelerator: npu\ntokens: 1e6\n"
        "candidates: [{family: deep_network, parameters: 1e6, batch_size: 8}]\n"
    )
    answer = aiops(*command.split(), "task.yaml", "--output", "json")
    assert (0, "") == (answer.status, answer.err)
    assert "NPU" in answer.out
