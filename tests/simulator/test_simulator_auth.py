"""Credentials and the token endpoint (wire-http 11)."""

import asyncio
import time

import jwt
import pytest
from google.auth.transport.requests import Request as GoogleRequest
from google.oauth2 import service_account
from hypothesis import given
from hypothesis import strategies as st
from simulator_rig import FLASH, HELLO, VERTEX_FLASH, account, ask, simulator

from understudy.messages import Request
from understudy.secret import Secret
from understudy_simulator.auth.gate import Gatekeeper, Verdict
from understudy_simulator.auth.presented import presented_in
from understudy_simulator.clock import ManualClock
from understudy_simulator.service_account import ServiceAccount
from understudy_simulator.settings import SimulatorSettings

GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
OWN = "http://127.0.0.1:1/token"


def gate(clock=None, **settings):
    return Gatekeeper(SimulatorSettings(**settings), account(), clock or ManualClock())


def presented(*headers, target="/v1/x"):
    return presented_in(Request("POST", target, tuple((name.encode(), value.encode()) for name, value in headers)))


def judged(gatekeeper, *headers, target="/v1/x", vertex=False, project=False):
    return gatekeeper.judge(presented(*headers, target=target), is_vertex=vertex, has_project=project)


def assertion(clock, signer=None, **changes):
    now = int(clock.wall().timestamp())
    claims = {
        "iss": account().email,
        "aud": "https://oauth2.googleapis.com/token",
        "iat": now,
        "exp": now + 3600,
        "scope": "https://www.googleapis.com/auth/cloud-platform",
    } | changes
    claims = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode(claims, (signer or account()).private_key_pem.reveal(), algorithm="RS256")


def exchanged(gatekeeper, signed, token="ya29.new"):
    return gatekeeper.exchange({"grant_type": GRANT, "assertion": signed}, OWN, token)


# ---- where credentials stand


def test_keys_and_tokens_are_found_where_google_looks():
    assert presented(("X-Goog-Api-Key", "k")).key == Secret("k")
    assert presented(target="/v1/x?alt=sse&key=k%20k").key == Secret("k k")
    assert presented(("authorization", "bearer  t ")).token == Secret("t")
    assert presented(target="/v1/x?access_token=t").token == Secret("t")
    assert presented(("Authorization", "Basic eDp5")).token == Secret("Basic eDp5")
    assert presented() == presented(("x-goog-api-key", ""))


@given(st.text(max_size=30), st.binary(max_size=30))
def test_any_target_and_header_can_be_read(target, value):
    presented_in(Request("GET", "/" + target, ((b"Authorization", value), (b"x-goog-api-key", value))))


# ---- verdicts


def test_any_key_will_do_but_one_that_says_invalid():
    assert judged(gate(), ("x-goog-api-key", "AIza")) is Verdict.ADMITTED
    assert judged(gate(), ("x-goog-api-key", "AIza-INVALID-x")) is Verdict.KEY_INVALID
    assert judged(gate()) is Verdict.NO_CREDENTIALS


def test_configured_keys_are_the_only_ones():
    keeper = gate(api_keys=(Secret("one"), Secret("two")))
    assert judged(keeper, ("x-goog-api-key", "two")) is Verdict.ADMITTED
    assert judged(keeper, ("x-goog-api-key", "three")) is Verdict.KEY_INVALID


def test_a_project_path_of_vertex_takes_no_key_and_the_express_path_does():
    assert judged(gate(), ("x-goog-api-key", "k"), vertex=True, project=True) is Verdict.KEY_UNSUPPORTED
    assert judged(gate(), ("x-goog-api-key", "k"), vertex=True) is Verdict.ADMITTED


def test_a_token_is_judged_before_the_key():
    headers = (("Authorization", "Bearer invalid"), ("x-goog-api-key", "k"))
    assert judged(gate(), *headers) is Verdict.TOKEN_INVALID
    assert judged(gate(), ("Authorization", "Bearer t"), vertex=True, project=True) is Verdict.ADMITTED
    assert judged(gate(), ("Authorization", "Bearer "), vertex=True) is Verdict.TOKEN_INVALID


def test_issued_tokens_are_good_until_they_expire():
    clock = ManualClock()
    keeper = gate(clock, auth="issued")
    token = ("Authorization", "Bearer ya29.new")
    assert judged(keeper, token) is Verdict.TOKEN_INVALID
    answer = exchanged(keeper, assertion(clock))
    assert (answer.status, dict(answer.body)) == (
        200,
        {"access_token": "ya29.new", "expires_in": 3599, "token_type": "Bearer"},
    )
    assert judged(keeper, token) is Verdict.ADMITTED
    clock.advance(3598)
    assert judged(keeper, token) is Verdict.ADMITTED
    clock.advance(1)
    assert judged(keeper, token) is Verdict.TOKEN_EXPIRED
    clock.advance(3600)
    exchanged(keeper, assertion(clock), token="ya29.other")
    assert judged(keeper, token) is Verdict.TOKEN_INVALID


# ---- the token endpoint


def test_the_audience_may_be_google_s_or_our_own():
    clock = ManualClock()
    assert exchanged(gate(clock), assertion(clock, aud=OWN)).status == 200
    wrong = exchanged(gate(clock), assertion(clock, aud="https://elsewhere.test/token"))
    assert (wrong.status, wrong.body["error"]) == (400, "invalid_grant")
    assert wrong.body["error_description"] == "Invalid JWT: Failed audience check."
    assert exchanged(gate(clock), assertion(clock, aud=None)).body == wrong.body


def test_another_key_does_not_sign():
    clock = ManualClock()
    refused = exchanged(gate(clock), assertion(clock, signer=ServiceAccount.generate()))
    assert dict(refused.body) == {"error": "invalid_grant", "error_description": "Invalid JWT Signature."}


def test_unsigned_and_symmetric_assertions_are_refused():
    clock = ManualClock()
    claims = jwt.decode(assertion(clock), options={"verify_signature": False})
    unsigned = jwt.encode(claims, "", algorithm="none")
    shared = jwt.encode(claims, "a shared secret of more than thirty-two bytes", algorithm="HS256")
    for signed in (unsigned, shared, "nonsense", "a.b.c"):
        assert exchanged(gate(clock), signed).body["error_description"] == "Invalid JWT Signature."


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"iss": "other@example.com"}, "account not found"),
        ({"iss": None}, "iss is missing"),
        ({"exp": None}, "exp is missing"),
        ({"exp": 1}, "short-lived token"),
        ({"exp": 99_999_999_999}, "short-lived token"),
        ({"iat": 1}, "short-lived token"),
        ({"iat": "soon"}, "short-lived token"),
        ({"iat": 99_999_999_000, "exp": 99_999_999_999}, "short-lived token"),
    ],
)
def test_assertions_must_be_fresh_and_of_the_account(changes, words):
    clock = ManualClock()
    refused = exchanged(gate(clock), assertion(clock, **changes))
    assert refused.status == 400
    assert refused.body["error"] == "invalid_grant"
    assert words in refused.body["error_description"]


def test_advancing_the_clock_does_not_age_a_client_s_assertion():
    clock = ManualClock()
    clock.advance(86_400)
    assert exchanged(gate(clock), assertion(clock)).status == 200


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({}, "invalid_request"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"grant_type": GRANT}, "invalid_request"),
    ],
)
def test_other_grants_are_refused(form, error):
    answer = gate().exchange(form, OWN, "t")
    assert (answer.status, answer.body["error"]) == (400, error)


# ---- over sockets


async def test_google_auth_gets_a_token_that_vertex_takes():
    async with simulator(auth="issued") as running:
        file = account().key_file(f"{running.http_url}/token")
        credentials = service_account.Credentials.from_service_account_info(
            file, scopes=["https://www.googleapis.com/auth/cloud-platform"]
        )
        await asyncio.to_thread(credentials.refresh, GoogleRequest())
        assert credentials.token.startswith("ya29.")
        bearer = ("Authorization", f"Bearer {credentials.token}")
        answer = await ask(running.http_url, "POST", f"{VERTEX_FLASH}:generateContent", bearer, body=HELLO)
        assert answer.status == 200
        running.stage.clock.advance(3600)
        answer = await ask(running.http_url, "POST", f"{VERTEX_FLASH}:generateContent", bearer, body=HELLO)
        assert answer.status == 401
        assert answer.json["error"]["details"][0]["reason"] == "ACCESS_TOKEN_EXPIRED"


async def test_any_path_that_ends_in_token_is_the_token_endpoint():
    async with simulator() as running:
        for target in ("/token", "/oauth2/v4/token", "/~s/token"):
            answer = await ask(running.http_url, "POST", target, body=b"grant_type=x")
            assert (answer.status, answer.json["error"]) == (400, "unsupported_grant_type")
            assert answer.values("content-type") == ["application/json; charset=utf-8"]
            assert answer.values("cache-control") == ["no-cache, no-store, max-age=0, must-revalidate"]


async def test_two_tokens_are_never_the_same():
    async with simulator() as running:
        now = int(time.time())
        signed = assertion(running.stage.clock, iat=now, exp=now + 3600)
        body = f"grant_type={GRANT}&assertion={signed}".encode()
        tokens = {(await ask(running.http_url, "POST", "/token", body=body)).json["access_token"] for _ in range(3)}
        assert len(tokens) == 3
        answer = await ask(running.http_url, "POST", f"{FLASH}:countTokens?access_token={tokens.pop()}", body=HELLO)
        assert answer.status == 200
