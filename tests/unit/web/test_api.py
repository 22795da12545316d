"""What the store holds, as JSON."""

from __future__ import annotations

from datetime import timedelta

import pytest

from aiops_provider import __version__
from aiops_provider.control.replan import take_request
from aiops_provider.domain.alarm import Response, ResponseAction
from aiops_provider.domain.kpi import KpiSample
from aiops_provider.domain.task import TaskKey
from aiops_provider.domain.units import utc_now
from aiops_provider.errors import StoreUnreachableError


@pytest.mark.parametrize(
    "path", ["profiles", "routes", "alarms", "super-alarms", "responses", "clusters"]
)
def test_lists_are_lists_even_when_empty(caller, path):
    """A new installation answers with nothing, not with an error."""
    answer = caller("read").get(f"/api/v1/{path}")
    assert answer.status_code == 200
    assert isinstance(answer.json(), list)


def test_plan_is_null_before_the_first(caller):
    """Without a plan the answer is null."""
    assert caller("read").get("/api/v1/plan").json() is None


def test_everything_can_be_read_back(caller, lively):
    """Each list shows what happened."""
    client = caller("read")
    get = lambda path: client.get(f"/api/v1/{path}").json()  # noqa: E731 - shorter than a function
    assert get("profiles")[0]["request"]["memory_gib"] == 2
    assert get("plan")["assignments"][0]["cluster"] == "brazil"
    assert get("routes")[0]["route"]["reason"]["sentence"] == "The plan sends it to brazil."
    assert get("alarms")[0]["series"]["name"] == "row_count"
    assert get("super-alarms")[0]["root_cause"]["hypotheses"][0]["cause"] == {"provider": "aws"}
    assert get("responses")[0]["clusters"] == ["brazil"]


def test_lists_can_be_narrowed(caller, lively):
    """Filters work."""
    client = caller("read")
    task = {"task": "medical/train<b>"}
    assert len(client.get("/api/v1/profiles", params=task).json()) == 1
    assert client.get("/api/v1/profiles", params={"task": "medical/no"}).json() == []
    assert len(client.get("/api/v1/routes", params=task).json()) == 1
    assert client.get("/api/v1/routes", params={"run_id": "no"}).json() == []
    assert client.get("/api/v1/alarms", params={"super_alarm": "no"}).json() == []


@pytest.mark.parametrize("limit", ["0", "1001", "x"])
def test_limits_are_limited(caller, limit):
    """A limit that is none is told as field, value and mend."""
    answer = caller("read").get("/api/v1/routes", params={"limit": limit})
    assert answer.status_code == 422
    assert answer.json()["error"]["field"] == "limit"
    assert answer.json()["error"]["value"] == limit


def test_clusters_tell_their_state_but_not_their_options(caller, lively):
    """Options of a kind may hold credentials."""
    answer = caller("read").get("/api/v1/clusters")
    onprem, brazil = answer.json()
    assert onprem["health"]["state"] == "healthy"
    assert onprem["quarantined_because"] is None
    assert brazil["quarantined_because"] == "95 % of the alarms are on aws"
    assert brazil["stands_in"] is True
    assert "hush" not in answer.text


def test_a_failed_check_is_told(caller, lively):
    """By the API and on the page, with what failed."""
    said = {"checked_at": "2026-03-02 12:00 UTC", "problem": "XCom backend: <nothing> is there"}
    lively.require_store().set_check("cluster_check/onprem", said)
    onprem, brazil = caller("read").get("/api/v1/clusters").json()
    assert "XCom backend" in onprem["unfit_because"]
    assert brazil["unfit_because"] is None
    page = caller("read").get("/").text
    assert "unfit" in page
    assert "XCom backend: &lt;nothing&gt; is there" in page


def test_quarantine_can_be_lifted(caller, lively):
    """An administrator releases a response once."""
    client = caller("admin")
    assert client.post("/api/v1/responses/r1/release").json() == {"released": "r1"}
    assert client.get("/api/v1/responses", params={"active": True}).json() == []
    again = client.post("/api/v1/responses/r1/release")
    assert again.status_code == 422
    assert again.json()["error"]["field"] == "response_id"


def test_data_are_held_until_somebody_releases_them(caller, installation):
    """With the reason and the super-alarm; the data of other tasks are free."""
    now = utc_now()
    response = Response(
        id="r2",
        super_alarm="super-2",
        action=ResponseAction.HOLD_DOWNSTREAM,
        reason="a rule holds them",
        starts_at=now,
        expires_at=now + timedelta(hours=1),
        data_of=(TaskKey("sales", "load"), TaskKey("sales", "clean")),
    )
    installation.require_store().save_response(response)
    client = caller("admin")
    ask = lambda task: client.get("/api/v1/data-hold", params={"task": task}).json()  # noqa: E731 - as above
    held = ask("sales/clean")
    assert (held["held"], held["reason"], held["super_alarm"]) == (
        True, "a rule holds them", "super-2",
    )  # fmt: skip
    assert not ask("sales/report")["held"]
    client.post("/api/v1/responses/r2/release")
    assert not ask("sales/clean")["held"]


def test_health(caller):
    """A good store is told as such."""
    data = caller("ingest").get("/api/v1/health").json()
    assert (data["status"], data["version"]) == ("ok", __version__)


def test_store_that_does_not_answer_is_503(caller, installation, monkeypatch):
    """Callers learn that trying later makes sense."""

    def gone(*_args, **_kwargs):
        raise StoreUnreachableError("the store does not answer")

    store = installation.require_store()
    for name in ("check", "plan_in_force", "add_samples"):
        monkeypatch.setattr(type(store), name, gone)
    client = caller("read ingest")
    health = client.get("/api/v1/health")
    assert (health.status_code, health.json()["status"]) == (503, "unavailable")
    for answer in (
        client.get("/api/v1/plan"),
        client.get("/"),
        client.post("/api/v1/kpis", json={"samples": []}),
    ):
        assert answer.status_code == 503
        assert answer.headers["Retry-After"]


def test_openapi_describes_bodies_and_answers(caller):
    """The document is complete: every reference in it leads somewhere."""
    document = caller("read").get("/openapi.json").json()
    text = str(document)
    schemas = document["components"]["schemas"]
    assert {"SamplesBody", "KpiSample", "ExecutionsBody", "ExecutionRecord"} <= set(schemas)
    names = {part.split("'")[0] for part in text.split("#/components/schemas/")[1:]}
    assert names <= set(schemas)
    assert "/api/v1/kpis" in document["paths"]


def test_answers_are_not_cached_and_frames_are_closed(caller):
    """Every answer has the headers that keep it private."""
    headers = caller("read").get("/api/v1/plan").headers
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "default-src 'none'" in headers["Content-Security-Policy"]


def samples(installation, *given):
    """KPI samples: value, age in hours, partition, run."""
    installation.require_store().add_samples(
        KpiSample(
            name="row_count",
            observed_at=utc_now() - timedelta(hours=age),
            value=value,
            dimensions={"dag": "sales", "partition": partition},
            context={"run_id": run},
        )
        for value, age, partition, run in given
    )


def test_kpis_are_told_newest_first(caller, installation):
    """Those of the last day, unless an earlier moment is given."""
    samples(installation, (1, 30, "br", "r1"), (2, 5, "br", "r2"), (3, 1, "de", "r2"))
    client = caller("read")

    def values(**asked):
        answer = client.get("/api/v1/kpis", params={"name": "row_count", **asked})
        assert 200 == answer.status_code, answer.text
        return [sample["value"] for sample in answer.json()]

    assert [3, 2] == values()
    long_ago = (utc_now() - timedelta(days=9)).isoformat()
    assert [3, 2, 1] == values(since=long_ago)
    assert [3] == values(since=long_ago, limit=1)
    assert [2, 1] == values(since=long_ago, label=["partition=br", "dag=sales"])
    assert [3, 2] == values(since=long_ago, label="run_id=r2")
    assert [2] == values(label=["run_id=r2", "partition=br"], limit=1)
    assert [] == values(label="run_id=R2")
    assert [] == values(name="precision")


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({}, "name"),
        ({"name": "row_count", "label": "br"}, "label"),
        ({"name": "row_count", "since": "2026-03-02T12:00:00"}, "since"),
    ],
)
def test_odd_questions_for_kpis_are_refused(caller, asked, field):
    """A moment without time zone included."""
    answer = caller("read").get("/api/v1/kpis", params=asked)
    assert (422, field) == (answer.status_code, answer.json()["error"]["field"])


def test_a_plan_can_be_asked_for(caller, installation):
    """The request waits in the store, with who asked and why."""
    answer = caller("admin").post("/api/v1/plan", params={"reason": "nightly"})
    assert {"requested": "nightly"} == answer.json()
    assert "asked for by test: nightly" == take_request(installation.require_store())
    assert "" == take_request(installation.require_store())
