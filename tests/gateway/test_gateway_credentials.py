import asyncio
import json
import threading
from functools import cache
from pathlib import Path
from urllib.parse import parse_qs

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from gateway_stand import KEY, asked, gateway, recorded, request
from upstream_double import Seen, Talk, answering, double, response

from understudy.secret import Secret
from understudy_gateway.config import parse_config
from understudy_gateway.credentials import (
    REJECTION_PAUSE_S,
    CredentialsFailed,
    TokenCache,
    api_key,
    credentials_for,
)
from understudy_gateway.settings import KeyFile, KeyText
from understudy_gateway.tokens import FetchFailed, Token


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Endpoint:
    """A token endpoint: counts calls, fails or waits as told. Called in a thread."""

    def __init__(self, life_s: float = 3600.0) -> None:
        self.life_s = life_s
        self.calls = 0
        self.fails = False
        self.may_answer = threading.Event()
        self.may_answer.set()

    def __call__(self) -> Token:
        self.calls += 1
        if not self.may_answer.wait(20):
            raise FetchFailed("TimeoutError")
        if self.fails:
            raise FetchFailed("OSError") from OSError("secret ya29.in-the-text")
        return Token(Secret(f"ya29.{self.calls}"), self.life_s)


def bearer(headers) -> str:
    ((name, value),) = headers
    assert name == b"Authorization"
    return value.decode()


async def settle(cache_: TokenCache) -> None:
    """Let a renewal in the background come to its end."""
    for _ in range(200):
        await asyncio.sleep(0.002)
        if cache_._renewal is None:
            return


async def test_an_api_key_is_one_field():
    assert await api_key(Secret("AIza")).headers() == ((b"x-goog-api-key", b"AIza"),)


async def test_one_call_serves_many_who_wait():
    endpoint, clock = Endpoint(), Clock()
    endpoint.may_answer.clear()
    tokens = TokenCache(endpoint, clock, 10)
    waiting = [asyncio.create_task(tokens.headers()) for _ in range(64)]
    await asyncio.sleep(0.01)
    endpoint.may_answer.set()
    assert {bearer(headers) for headers in await asyncio.gather(*waiting)} == {"Bearer ya29.1"}
    assert endpoint.calls == 1


async def test_a_token_is_renewed_early_while_the_old_one_serves():
    endpoint, clock = Endpoint(life_s=1000), Clock()
    tokens = TokenCache(endpoint, clock, 10)
    await tokens.headers()
    clock.now += 700
    assert bearer(await tokens.headers()) == "Bearer ya29.1"
    assert endpoint.calls == 1
    clock.now += 100
    endpoint.may_answer.clear()
    found = [bearer(await tokens.headers()) for _ in range(64)]
    assert set(found) == {"Bearer ya29.1"}
    endpoint.may_answer.set()
    await settle(tokens)
    assert bearer(await tokens.headers()) == "Bearer ya29.2"
    assert endpoint.calls == 2


async def test_an_expired_token_is_not_shown():
    endpoint, clock = Endpoint(life_s=100), Clock()
    tokens = TokenCache(endpoint, clock, 10)
    await tokens.headers()
    clock.now += 100
    assert bearer(await tokens.headers()) == "Bearer ya29.2"


async def test_after_a_failure_nobody_asks_again_before_the_pause_is_over():
    endpoint, clock = Endpoint(), Clock()
    endpoint.fails = True
    tokens = TokenCache(endpoint, clock, 10)
    for _ in range(5):
        with pytest.raises(CredentialsFailed) as caught:
            await tokens.headers()
        assert "ya29" not in str(caught.value)
        assert caught.value.retry_after_s >= 1
    assert endpoint.calls == 1
    endpoint.fails = False
    clock.now += 2
    assert bearer(await tokens.headers()) == "Bearer ya29.2"


async def test_pauses_grow_with_each_failure():
    endpoint, clock = Endpoint(), Clock()
    endpoint.fails = True
    tokens = TokenCache(endpoint, clock, 10)
    pauses = []
    for _ in range(8):
        with pytest.raises(CredentialsFailed):
            await tokens.headers()
        pauses.append(tokens._next_try - clock.now)
        clock.now = tokens._next_try
    assert 0.75 <= pauses[0] <= 1.25
    assert 6 <= pauses[3] <= 10
    assert 45 <= pauses[7] <= 75


async def test_a_failed_early_renewal_does_not_hurt_while_the_old_token_is_good(caplog):
    endpoint, clock = Endpoint(life_s=1000), Clock()
    tokens = TokenCache(endpoint, clock, 10)
    await tokens.headers()
    endpoint.fails = True
    clock.now += 800
    await tokens.headers()
    await settle(tokens)
    assert bearer(await tokens.headers()) == "Bearer ya29.1"
    assert endpoint.calls == 2
    assert "ya29" not in caplog.text


async def test_who_waits_too_long_for_a_token_is_refused_and_the_renewal_goes_on():
    endpoint, clock = Endpoint(), Clock()
    endpoint.may_answer.clear()
    tokens = TokenCache(endpoint, clock, 0.02)
    with pytest.raises(CredentialsFailed):
        await tokens.headers()
    endpoint.may_answer.set()
    await settle(tokens)
    assert bearer(await tokens.headers()) == "Bearer ya29.1"
    assert endpoint.calls == 1


async def test_a_rejected_token_is_dropped_once_and_not_again_at_once():
    endpoint, clock = Endpoint(), Clock()
    tokens = TokenCache(endpoint, clock, 10)
    await tokens.headers()
    tokens.rejected()
    assert bearer(await tokens.headers()) == "Bearer ya29.2"
    tokens.rejected()
    assert bearer(await tokens.headers()) == "Bearer ya29.2"
    clock.now += REJECTION_PAUSE_S
    tokens.rejected()
    assert bearer(await tokens.headers()) == "Bearer ya29.3"


async def test_closing_ends_a_renewal_that_runs():
    endpoint, clock = Endpoint(), Clock()
    endpoint.may_answer.clear()
    tokens = TokenCache(endpoint, clock, 10)
    waiting = asyncio.create_task(tokens.headers())
    await asyncio.sleep(0.01)
    await tokens.close()
    endpoint.may_answer.set()
    with pytest.raises(asyncio.CancelledError):
        await waiting


# --- by google-auth --------------------------------------------------------------------------------------------------


@cache
def private_key() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def key_file(token_uri: str) -> str:
    return json.dumps(
        {
            "type": "service_account",
            "project_id": "p",
            "private_key_id": "1",
            "private_key": private_key(),
            "client_email": "robot@p.iam.gserviceaccount.com",
            "client_id": "1",
            "token_uri": token_uri,
        }
    )


TOKEN = json.dumps({"access_token": "ya29.fresh", "expires_in": 3599, "token_type": "Bearer"}).encode()


@pytest.mark.parametrize("kind", ["file", "text"])
async def test_a_service_account_key_is_exchanged_for_a_token(tmp_path: Path, kind: str):
    async with double(answering(response(TOKEN))) as endpoint:
        text = key_file(f"{endpoint.url}/token")
        (tmp_path / "key.json").write_text(text)
        source = KeyFile(str(tmp_path / "key.json")) if kind == "file" else KeyText(Secret(text))
        credentials = credentials_for(source, ca=None, wait_s=10, monotonic=Clock())
        assert bearer(await credentials.headers()) == "Bearer ya29.fresh"
        await credentials.close()
        seen = endpoint.requests[0]
    form = parse_qs(seen.body.decode())
    assert seen.target == b"/token"
    assert form["grant_type"] == ["urn:ietf:params:oauth:grant-type:jwt-bearer"]
    claims = jwt.decode(form["assertion"][0], options={"verify_signature": False})
    assert claims["iss"] == "robot@p.iam.gserviceaccount.com"
    assert claims["scope"] == "https://www.googleapis.com/auth/cloud-platform"


def vertex_config(base: str, source: str, **ours: object):
    block = {"vertex_project": "proj", "vertex_location": "us-east1", "vertex_credentials": source, "api_base": base}
    settings = {"keys": [{"id": "team", "key": KEY}], **ours}
    return parse_config({"understudy_settings": settings, "default_vertex_config": block}, {})


VERTEX = "/vertex_ai/publishers/google/models/gemini-2.5-flash:generateContent"


async def test_the_gateway_shows_its_token_and_not_the_clients_key():
    async with double(answering(response(TOKEN))) as endpoint, double() as up:
        config = vertex_config(up.url, key_file(f"{endpoint.url}/token"))
        async with gateway("", config=config) as running:
            for _ in range(3):
                headers = {"Authorization": f"Bearer {KEY}"}
                assert (await asked(running, request(VERTEX, headers=headers, key=None))).status == 200
        assert len(endpoint.requests) == 1
    assert [seen.values(b"authorization") for seen in up.requests] == [[b"Bearer ya29.fresh"]] * 3
    assert not any(KEY.encode() in seen.head for seen in (*up.requests, *endpoint.requests))


async def test_an_upstream_401_drops_the_token_and_passes():
    refused = response(b"no", status=b"401 Unauthorized")
    async with double(answering(response(TOKEN))) as endpoint, double(answering(refused)) as up:
        config = vertex_config(up.url, key_file(f"{endpoint.url}/token"))
        async with gateway("", config=config) as running:
            for _ in range(3):
                assert (await asked(running, request(VERTEX))).body == b"no"
        assert (len(endpoint.requests), len(up.requests)) == (2, 3)


async def test_a_token_endpoint_that_fails_is_a_clear_503():
    async def script(talk: Talk, seen: Seen) -> None:
        await talk.send(response(b'{"error":"invalid_grant","error_description":"secret"}', status=b"400 Bad Request"))

    async with double(script) as endpoint, double() as up:
        config = vertex_config(up.url, key_file(f"{endpoint.url}/token"))
        async with gateway("", config=config) as running:
            reply = await asked(running, request(VERTEX))
            again = await asked(running, request(VERTEX))
            (record, _) = await recorded(running, 2)
        assert len(endpoint.requests) == 1
    assert (reply.status, reply.reason, again.status) == (503, "CREDENTIALS_FAILED", 503)
    assert int(reply.value(b"retry-after") or 0) >= 1
    assert b"secret" not in reply.body
    assert (record.outcome, record.cost, up.requests) == ("rejected", 0, [])


async def test_without_credentials_the_answer_names_the_setting():
    config = parse_config({"understudy_settings": {"keys": [{"id": "a", "key": KEY}]}}, {})
    async with gateway("", config=config) as running:
        gemini = await asked(running, request("/gemini/v1/models/m:generateContent"))
        path = "/vertex_ai/v1/projects/p/locations/us/publishers/google/models/m:generateContent"
        vertex = await asked(running, request(path))
    assert (gemini.status, gemini.reason) == (401, "NO_CREDENTIALS")
    assert b"GEMINI_API_KEY" in gemini.body
    assert (vertex.status, b"vertex_credentials" in vertex.body) == (401, True)


async def test_the_clients_own_google_token_passes_only_when_that_is_switched_on():
    headers = {"Authorization": "Bearer ya29.mine", "x-litellm-api-key": KEY}
    for switched_on, status in ((True, 200), (False, 401)):
        async with double() as up:
            settings = {"keys": [{"id": "a", "key": KEY}], "client_credentials": switched_on}
            block = {"api_base": up.url, "vertex_project": "p", "vertex_location": "us"}
            config = parse_config({"understudy_settings": settings, "default_vertex_config": block}, {})
            async with gateway("", config=config) as running:
                assert (await asked(running, request(VERTEX, headers=headers, key=None))).status == status
            assert [seen.values(b"authorization") for seen in up.requests] == (
                [[b"Bearer ya29.mine"]] if switched_on else []
            )
            assert not any(KEY.encode() in seen.head for seen in up.requests)


async def test_without_a_google_token_of_the_clients_own_nothing_is_sent_and_the_answer_says_so():
    settings = {"keys": [{"id": "a", "key": KEY}], "client_credentials": True}
    async with double() as up:
        block = {"api_base": up.url, "vertex_project": "p", "vertex_location": "us"}
        config = parse_config({"understudy_settings": settings, "default_vertex_config": block}, {})
        async with gateway("", config=config) as running:
            reply = await asked(running, request(VERTEX))
    assert (reply.status, reply.reason, up.requests) == (401, "NO_CREDENTIALS", [])
    assert b"send your own in Authorization or x-goog-api-key" in reply.body


@pytest.mark.parametrize("content", [{"type": "service_account", "client_email": "a", "token_uri": "b"}, [1]])
async def test_a_key_file_that_was_spoilt_after_the_start_is_a_failed_renewal(tmp_path: Path, content: object):
    path = tmp_path / "key.json"
    path.write_text(json.dumps(content))
    credentials = credentials_for(KeyFile(str(path)), ca=None, wait_s=5.0, monotonic=lambda: 0.0)
    with pytest.raises(CredentialsFailed):
        await credentials.headers()
