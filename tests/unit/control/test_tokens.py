"""Tokens carry rights, end, and cannot be forged."""

from __future__ import annotations

import time

import jwt
import pytest

from aiops_provider.control.tokens import Scope, issue_token, verify_token
from aiops_provider.domain.task import TaskKey, TaskRun
from aiops_provider.errors import TokenError, TokenScopeError

SECRET = "s" * 32
RUN = TaskRun(TaskKey("medical", "train"), "manual__1", map_index=3, try_number=2)


def issue(**changes) -> str:
    return issue_token(SECRET, **({"scope": "read", "subject": "test", "valid_s": 60} | changes))


def test_token_says_what_it_was_made_for():
    """Subject, rights and the try come back as they were given."""
    claims = verify_token(SECRET, issue(scope="ingest read", run=RUN), "ingest")
    assert claims.subject == "test"
    assert claims.scopes == {Scope.INGEST, Scope.READ}
    assert claims.run == RUN
    assert claims.expires_at.tzinfo is not None


@pytest.mark.parametrize("subject", ["medical/train", 'a "quoted" æ'])
def test_a_token_is_the_one_that_pyjwt_would_make(subject):
    """Letter by letter, so that any other implementation reads it."""
    token = issue(subject=subject, run=RUN)
    claims = jwt.decode(token, SECRET, algorithms=["HS256"], audience="aiops_api")
    assert token == jwt.encode(claims, SECRET, algorithm="HS256")


@pytest.mark.parametrize("wanted", ["ingest", "read", "admin"])
def test_admin_includes_the_other_rights(wanted):
    """A token of an administrator may do everything."""
    assert verify_token(SECRET, issue(scope="admin"), wanted)


@pytest.mark.parametrize(
    ("given", "wanted"),
    [("read", "ingest"), ("ingest", "read"), ("read", "admin"), ("ingest read", "admin")],
)
def test_right_that_is_not_given_is_refused(given, wanted):
    """A valid token without the right is told so."""
    with pytest.raises(TokenScopeError, match=f"lacks the right '{wanted}'"):
        verify_token(SECRET, issue(scope=given), wanted)


def test_any_valid_token_will_do_where_no_right_is_asked():
    """A route may ask for a token without asking for a right."""
    assert verify_token(SECRET, issue(scope="ingest"), None)


def _signed(**changes) -> str:
    now = int(time.time())
    claims = {"iss": "aiops_provider", "aud": "aiops_api", "sub": "x", "iat": now, "exp": now + 60,
              "scope": "admin"}  # fmt: skip
    claims |= changes
    return jwt.encode({k: v for k, v in claims.items() if v is not None}, SECRET, algorithm="HS256")


BAD_TOKENS = {
    "none": "",
    "garbage": "x.y.z",
    "other secret": issue_token("o" * 32, scope="read", subject="x", valid_s=60),
    "unsigned": jwt.encode(
        {"sub": "x", "scope": "admin", "exp": time.time() + 60, "iat": time.time(),
         "iss": "aiops_provider", "aud": "aiops_api"}, None, algorithm="none",
    ),
    "without end": _signed(exp=None),
    "without rights": _signed(scope=None),
    "unknown right": _signed(scope="root"),
    "of somebody else": _signed(iss="airflow"),
    "for somebody else": _signed(aud="airflow"),
    "broken run": _signed(run={"task": "x"}),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD_TOKENS)
def test_bad_token_is_refused(case):
    """Missing, forged, foreign and malformed tokens are refused alike."""
    with pytest.raises(TokenError) as caught:
        verify_token(SECRET, BAD_TOKENS[case], "read")
    assert caught.value.exit_status == 2
    assert not isinstance(caught.value, TokenScopeError)


def test_expired_token_says_so():
    """The owner of an old token learns that a new one is needed."""
    with pytest.raises(TokenError, match=r"expired.*aiops token create"):
        verify_token(SECRET, _signed(exp=int(time.time()) - 3600), "read")


@pytest.mark.parametrize("scope", ["", "root", "read root"])
def test_token_with_unknown_right_is_not_made(scope):
    """A typing error in a right is told when the token is made."""
    with pytest.raises(TokenError, match="use one or more of ingest, read, admin"):
        issue(scope=scope)


@pytest.mark.parametrize("valid_s", [0, -1])
def test_token_that_never_was_valid_is_not_made(valid_s):
    """A token needs a validity."""
    with pytest.raises(TokenError, match="more than 0 seconds"):
        issue(valid_s=valid_s)


def test_error_does_not_quote_the_token():
    """Logs of refused requests hold no tokens."""
    token = issue()
    with pytest.raises(TokenError) as caught:
        verify_token("o" * 32, token, "read")
    assert token not in str(caught.value)


def test_a_secret_that_was_replaced_is_accepted_beside_the_new_one():
    """Until it is taken away; an expired token stays expired whoever signed it."""
    old = issue()
    assert verify_token(("n" * 32, SECRET), old, "read").subject == "test"
    with pytest.raises(TokenError, match="is not valid here"):
        verify_token(("n" * 32,), old, "read")
    with pytest.raises(TokenError, match="has expired"):
        verify_token(("n" * 32, SECRET), _signed(exp=int(time.time()) - 3600), "read")
