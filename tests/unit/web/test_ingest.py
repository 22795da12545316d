"""Workers report over HTTP: all or nothing, with errors that name field, value and mend."""

from __future__ import annotations

from datetime import timedelta

import pytest

from aiops_provider.domain.task import TaskKey, TaskRun
from aiops_provider.domain.units import utc_now
from aiops_provider.web import body


def sample(**changes) -> dict:
    return {
        "name": "row_count",
        "observed_at": utc_now().isoformat(),
        "value": 5,
        "dimensions": {"dag": "medical", "task": "train"},
        "context": {"cluster": "onprem"},
    } | changes


def stored(installation) -> int:
    return len(installation.require_store().samples_after(0, 1000)[0])


def test_samples_are_taken_in_once(caller, installation):
    """The same request twice stores its samples once."""
    request = {"samples": [sample(), sample(name="precision", value=0.9)]}
    first = caller("ingest").post("/api/v1/kpis", json=request)
    assert (first.status_code, first.json()) == (202, {"accepted": 2, "duplicates": 0})
    again = caller("ingest").post("/api/v1/kpis", json=request)
    assert (again.status_code, again.json()) == (202, {"accepted": 0, "duplicates": 2})
    assert stored(installation) == 2


BAD = {
    "NaN": ('"value": NaN', "samples[1].value", "nan", "not a finite number"),
    "Infinity": ('"value": Infinity', "samples[1].value", "inf", "not a finite number"),
    "NaN as text": ('"value": "nan"', "samples[1].value", "nan", "not a finite number"),
    "future": (
        f'"observed_at": "{(utc_now() + timedelta(days=400)).isoformat()}"',
        "samples[1].observed_at",
        None,
        "lies in the future of this server",
    ),
    "no zone": ('"observed_at": "2026-01-01T00:00:00"', "samples[1].observed_at", None, "no time zone"),
    "no number": ('"value": "many"', "samples[1].value", "many", "valid number"),
    "no moment": ('"observed_at": "soon"', "samples[1].observed_at", "soon", "valid datetime"),
    "unknown field": ('"valeu": 1', "samples[1].valeu", "1", "Unexpected keyword argument"),
    "label that is no text": ('"dimensions": {"a": 1}', "samples[1].dimensions.a", "1", "valid string"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_one_bad_sample_refuses_the_request(case, caller, installation):
    """422 with field, value and mend; nothing of the request is stored."""
    text, field, value, message = BAD[case]
    good = '{"name": "n", "observed_at": "2026-01-01T00:00:00Z", "value": 1}'
    bad = '{"name": "n", "observed_at": "2026-01-01T00:00:00Z", "value": 1, ' + text + "}"
    answer = caller("ingest").post(
        "/api/v1/kpis", content='{"samples": [' + good + ", " + bad + "]}"
    )
    assert answer.status_code == 422
    error = answer.json()["error"]
    assert error["field"] == field
    assert message in error["message"]
    assert error["mend"]
    if value is not None:
        assert error["value"] == value
    assert stored(installation) == 0


@pytest.mark.parametrize(
    ("content", "field", "message"),
    [
        (b"", "body", "not valid JSON"),
        (b"{broken", "body", "not valid JSON"),
        (b"\xff\xfe", "body", "not valid JSON"),
        (b"[]", "body", "object"),
        (b"{}", "samples", "required"),
        (b'{"samples": [], "x": 1}', "x", "not permitted"),
        (b'{"samples": {}}', "samples", "valid array"),
    ],
)
def test_body_that_is_none_is_refused(caller, content, field, message):
    """Whatever is sent, the answer says what was expected."""
    answer = caller("ingest").post("/api/v1/kpis", content=content)
    assert answer.status_code == 422
    assert answer.json()["error"]["field"] == field
    assert message in answer.json()["error"]["message"]


def test_endless_body_is_not_read(caller, monkeypatch):
    """A request beyond the limit is refused with 413."""
    monkeypatch.setattr(body, "MAX_BODY_BYTES", 1000)
    answer = caller("ingest").post("/api/v1/kpis", content=b" " * 2000)
    assert answer.status_code == 413


def test_token_of_a_try_reports_for_that_try_only(caller, installation):
    """Another task's series is out of reach."""
    own = caller("ingest", run=TaskRun(TaskKey("medical", "train"), "r"))
    assert own.post("/api/v1/kpis", json={"samples": [sample()]}).status_code == 202
    foreign = sample(dimensions={"dag": "medical", "task": "other"})
    answer = own.post("/api/v1/kpis", json={"samples": [sample(value=6), foreign]})
    assert answer.status_code == 422
    assert answer.json()["error"]["field"] == "samples[1].task"
    assert stored(installation) == 1


def test_executions_become_history(caller, installation, record):
    """What happened to a try is learned from."""
    answer = caller("ingest").post("/api/v1/executions", json={"records": [record]})
    assert (answer.status_code, answer.json()) == (202, {"accepted": 1})
    assert len(installation.require_store().executions()) == 1


def test_bad_execution_is_refused(caller, installation, record):
    """A record that ends before it starts is not history."""
    bad = record | {"ended_at": "2020-01-01T00:00:00Z"}
    answer = caller("ingest").post("/api/v1/executions", json={"records": [record, bad]})
    assert answer.status_code == 422
    assert answer.json()["error"]["field"] == "records[1].ended_at"
    assert installation.require_store().executions() == []
