"""The page shows what is going on, without scripts, and escapes what users named."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest
from fastapi import FastAPI

from aiops_provider.web import create_app


class _Outline(HTMLParser):
    """Collects what matters of a page: ids, elements left open, scripts, loads from elsewhere."""

    VOID = frozenset({"meta", "br", "link", "img", "input", "hr"})

    def __init__(self) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.sources: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        values = dict(attrs)
        if "id" in values:
            self.ids.add(values["id"])
        self.sources += [values[name] for name in ("src", "href") if name in values]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def outline(text: str) -> _Outline:
    parsed = _Outline()
    parsed.feed(text)
    return parsed


def test_empty_page_says_what_will_be_there(caller):
    """A new installation has a page that explains itself."""
    answer = caller("read").get("/")
    assert answer.status_code == 200
    assert "No plan yet" in answer.text
    assert "No task has been placed yet" in answer.text
    assert "No profile yet" in answer.text
    assert outline(answer.text).open == []


def test_page_shows_plan_routes_profiles_and_incidents(caller, lively):
    """Everything that happened is on the page, with the why."""
    text = caller("read").get("/").text
    for expected in (
        "provider = aws", "provider = aws and task = load", "one healthy run", "run it elsewhere",
        "Ask &lt;aws&gt; for quota.", "looking &lt;b&gt;into&lt;/b&gt; it", "s0 (83 %)", "quota raised",
        "quarantine of brazil", "95 % of the alarms are on aws", "24 tasks",
        "The plan sends it to brazil.", "Not onprem", "dearer by $0.10", "All demand fits.",
        "most SLA within capacity and $40.00/h", "brazil $0.03", "medical/train",
        "own history, 3 runs", "75 %", "local processes stand in for it", "quarantined", "healthy",
    ):  # fmt: skip
        assert expected in text, expected


def test_the_routes_of_one_try_are_told(caller, lively):
    """Whoever asks why a try ran there sees that one, with its reasons open."""
    client, asked = caller("read"), {"task": "medical/train<b>", "run_id": "manual__1"}
    text = client.get("/", params=asked).text
    assert "Why this cluster?" in text
    assert "<details open><summary>The plan sends it to brazil." in text
    assert "medical/train&lt;b&gt; manual__1 try 1" in text
    assert outline(text).open == []
    for other in ({"try_number": 2}, {"map_index": 0}, {"run_id": "manual__2"}):
        text = client.get("/", params={**asked, **other}).text
        assert "Nothing is known of this try" in text
        assert "The plan sends it to brazil." not in text


@pytest.mark.parametrize("odd", [{"try_number": "0"}, {"map_index": "x"}])
def test_odd_tries_are_refused(caller, odd):
    """With the field that is wrong."""
    asked = {"task": "medical/train", "run_id": "r1", **odd}
    assert 422 == caller("read").get("/", params=asked).status_code


def test_failed_planning_is_told(caller, lively):
    """When the old plan stays because no new one could be made, the page says why."""
    problem = {"at": "now", "reason": "period", "problem": "no cluster holds <train>"}
    lively.require_store().set_state("plan:problem", problem)
    text = caller("read").get("/").text
    assert "The latest attempt made no plan" in text
    assert "no cluster holds &lt;train&gt;" in text


def test_what_chance_alone_brings_is_told(caller, lively):
    """Whoever is woken knows how often it may be for nothing; before anything was judged nobody does."""
    assert "By chance alone" not in caller("read").get("/").text
    lively.require_store().set_state("detection", {"false_alarms_per_week": 0.448})
    told = "By chance alone at most 0.45 alarms and 2 super-alarms a week"
    assert told in caller("read").get("/").text


def test_page_is_well_formed_and_loads_nothing(caller, lively):
    """No script, no style sheet, no picture from elsewhere; every element is closed."""
    parsed = outline(caller("read").get("/").text)
    assert parsed.open == []
    assert "script" not in parsed.tags
    assert {"super-alarms", "clusters", "plan", "routes", "profiles"} <= parsed.ids
    assert all(source.startswith(("#", "?")) for source in parsed.sources)


def test_names_are_escaped(caller, lively):
    """A task or a summary cannot bring its own markup."""
    text = caller("read").get("/").text
    assert "<script>" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert "medical/train&lt;b&gt;" in text


def test_page_reloads_only_when_asked(caller):
    """``?refresh=10`` reloads without a script."""
    client = caller("read")
    assert 'http-equiv="refresh"' not in client.get("/").text
    assert '<meta http-equiv="refresh" content="10">' in client.get("/?refresh=10").text


@pytest.mark.parametrize("refresh", ["-1", "x", "99999"])
def test_odd_reload_is_refused(caller, refresh):
    """The query of the page is checked like any other."""
    assert caller("read").get("/", params={"refresh": refresh}).status_code == 422


def test_page_works_below_a_mount(installation, caller, lively, call):
    """Mounted in a host's server under a prefix, the page has no link that leads out of it."""
    host = FastAPI()
    host.mount("/aiops", create_app(installation))
    client = call(host)
    stranger_status = client.get("/aiops/api/v1/plan").status_code
    client.headers = caller("read").headers
    assert "The plan sends it to brazil." in client.get("/aiops/").text
    assert client.get("/aiops/api/v1/plan").json()["version"] == 1
    assert stranger_status == 401
