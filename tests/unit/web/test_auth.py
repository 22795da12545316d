"""Nothing is answered without a token, and nothing beyond the token's rights."""

from __future__ import annotations

import base64

import pytest

from aiops_provider.control.tokens import issue_token
from aiops_provider.web import create_app


def all_routes(routes) -> list[tuple[str, str]]:
    """Every method and path that is answered, whatever made the route."""
    found = []
    for route in routes:
        included = getattr(route, "original_router", None)  # FastAPI >= 0.137 keeps routers whole
        if included is not None:
            found += all_routes(included.routes)
            continue
        path = route.path.replace("{response_id}", "r1")
        found += [(method, path) for method in route.methods]
    return found


def test_every_route_refuses_strangers(installation, caller):
    """Without a token every method of every route answers 401, documentation included."""
    stranger = caller()
    routes = all_routes(create_app(installation).routes)
    assert len(routes) >= 12
    for method, path in routes:
        answer = stranger.request(method, path, content=b"{broken")
        assert answer.status_code == 401, (method, path)
        assert answer.headers["WWW-Authenticate"]


@pytest.mark.parametrize("path", ["/docs", "/redoc", "/docs/oauth2-redirect"])
def test_no_page_is_there_that_nobody_guards(caller, path):
    """FastAPI's own pages, which ask for no token, are switched off."""
    assert caller().get(path).status_code == 404


@pytest.mark.parametrize(
    ("scope", "method", "path", "status"),
    [
        ("ingest", "GET", "/api/v1/plan", 403),
        ("ingest", "GET", "/api/v1/kpis?name=row_count", 403),
        ("read", "GET", "/api/v1/kpis?name=row_count", 200),
        ("ingest read", "POST", "/api/v1/plan", 403),
        ("admin", "POST", "/api/v1/plan", 202),
        ("ingest", "GET", "/", 403),
        ("read", "POST", "/api/v1/kpis", 403),
        ("read", "POST", "/api/v1/executions", 403),
        ("read", "POST", "/api/v1/responses/r1/release", 403),
        ("ingest read", "POST", "/api/v1/responses/r1/release", 403),
        ("read", "GET", "/api/v1/plan", 200),
        ("admin", "GET", "/api/v1/plan", 200),
        ("ingest", "GET", "/api/v1/health", 200),
    ],
)
def test_token_opens_what_its_rights_say(caller, scope, method, path, status):
    """A valid token without the right is refused with 403."""
    answer = caller(scope).request(method, path, json={})
    assert answer.status_code == status
    if status == 403:
        assert answer.json()["error"]["kind"] == "TokenScopeError"


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Bearer x", "Basic eDp5", "Token abc", "Bearer " + "a." * 3000, "Basic %%%"],
)
def test_anything_but_a_token_is_refused(caller, header):
    """Odd headers are no way in and no way to an error 500."""
    client = caller()
    for path in ("/", "/api/v1/plan"):
        assert client.get(path, headers={"Authorization": header}).status_code == 401


def test_token_of_another_installation_is_refused(caller):
    """The secret decides."""
    token = issue_token("o" * 40, scope="admin", subject="x", valid_s=60)
    answer = caller().get("/api/v1/plan", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 401
    assert token not in answer.text


def _basic(installation) -> dict[str, str]:
    token = issue_token(installation.token_secret, scope="admin", subject="x", valid_s=60)
    coded = base64.b64encode(f"me:{token}".encode()).decode()
    return {"Authorization": f"Basic {coded}"}


def test_browser_may_send_the_token_as_a_password(caller, installation):
    """The page opens with a password prompt, without a script."""
    client = caller()
    assert client.get("/").headers["WWW-Authenticate"].startswith("Basic ")
    assert client.get("/", headers=_basic(installation)).status_code == 200


def test_api_does_not_take_passwords(caller, installation):
    """What a browser sends by itself must not be able to change anything."""
    client = caller()
    for method, path in [("GET", "/api/v1/plan"), ("POST", "/api/v1/responses/r1/release")]:
        assert client.request(method, path, headers=_basic(installation)).status_code == 401
    assert client.get("/api/v1/plan").headers["WWW-Authenticate"] == "Bearer"


class FakeHost:
    """A host that knows people by a header."""

    async def may_read(self, request):
        return {"ann": True, "bob": False}.get(request.headers.get("person"))

    def sign_in_url(self, request):
        return f"/sign-in?next={request.url.path}"


@pytest.fixture
def hosted(installation, call):
    return call(create_app(installation, host_access=FakeHost()))


def test_a_host_lets_its_own_people_in(hosted):
    """Who is signed in there needs no token, who may not is told so, who is unknown signs in."""
    assert 200 == hosted.get("/", headers={"person": "ann"}).status_code
    refused = hosted.get("/", headers={"person": "bob"})
    assert (403, "TokenScopeError") == (refused.status_code, refused.json()["error"]["kind"])
    unknown = hosted.get("/")
    assert (303, "/sign-in?next=/") == (unknown.status_code, unknown.headers["Location"])


def test_a_host_s_sign_in_opens_no_api(hosted):
    """A cookie comes along with requests that other sites make, so the API takes tokens only."""
    for method, path in [("GET", "/api/v1/plan"), ("POST", "/api/v1/responses/r1/release")]:
        assert 401 == hosted.request(method, path, headers={"person": "ann"}).status_code


def test_a_token_still_opens_a_hosted_page(hosted, installation):
    """Dashboards have no session."""
    assert 200 == hosted.get("/", headers=_basic(installation)).status_code
    assert 401 == hosted.get("/", headers={"Authorization": "Bearer x"}).status_code
