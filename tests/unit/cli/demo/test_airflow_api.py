import json

import httpx
import pytest

from aiops_provider.cli.demo.airflow_api import AirflowApi, AirflowApiError


class FakeAirflow:
    """Answers as Airflow's REST API does; states of the run are given in order."""

    def __init__(self, *states):
        self.states = list(states)
        self.seen = []

    def __call__(self, request):
        self.seen.append(request)
        path = request.url.path
        if path == "/auth/token":
            right = json.loads(request.content) == {"username": "demo", "password": "right"}
            return httpx.Response(201 if right else 401, json={"access_token": "jwt"})
        if request.headers.get("Authorization") != "Bearer jwt":
            return httpx.Response(401, text="who are you")
        if path.endswith("/taskInstances"):
            return httpx.Response(200, json={"task_instances": [INSTANCE]})
        if "/dagRuns/" in path:
            state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
            return httpx.Response(200, json={"state": state})
        return httpx.Response(200, json={})


INSTANCE = {
    "task_id": "train",
    "map_index": 3,
    "state": None,
    "try_number": 2,
    "duration": None,
    "start_date": "2026-01-05T10:00:00Z",
}


def logged_in(airflow, **kwargs):
    api = AirflowApi("http://airflow", **kwargs)
    api._http = httpx.Client(base_url="http://airflow", transport=httpx.MockTransport(airflow))
    api.log_in("demo", "right")
    return api


def test_a_wrong_password_is_refused():
    """The answer is told, with its status."""
    api = AirflowApi("http://airflow")
    api._http = httpx.Client(
        base_url="http://airflow", transport=httpx.MockTransport(FakeAirflow("running"))
    )
    with pytest.raises(AirflowApiError, match="POST /auth/token: 401"):
        api.log_in("demo", "wrong")


def test_a_run_is_waited_for_to_its_end(monkeypatch):
    """Each look tells the task instances; the last state is returned."""
    monkeypatch.setattr("time.sleep", lambda _s: None)
    looks = []
    api = logged_in(FakeAirflow("queued", "running", "success"))
    assert api.wait("d", "r", timeout_s=60, seen=looks.append) == "success"
    assert len(looks) == 3
    assert looks[0][0].task_id == "train"
    assert (looks[0][0].map_index, looks[0][0].state, looks[0][0].try_number) == (3, "", 2)


def test_a_run_that_does_not_end_is_told_with_what_is_missing(monkeypatch):
    """The message names the tasks that are not done."""
    monkeypatch.setattr("time.sleep", lambda _s: None)
    with pytest.raises(AirflowApiError, match="run r of d is running after 0 s; not done: train"):
        logged_in(FakeAirflow("running")).wait("d", "r", timeout_s=0)


def test_waiting_ends_when_a_process_has_died():
    """Nobody waits for a scheduler that is gone."""

    def died():
        raise RuntimeError("scheduler ended")

    with pytest.raises(RuntimeError, match="scheduler ended"):
        logged_in(FakeAirflow("running"), check=died).wait("d", "r", timeout_s=60)


def test_a_server_that_is_not_up_yet_does_not_answer():
    """Waiting for the start asks again and again."""
    assert AirflowApi("http://127.0.0.1:9").answers() is False
