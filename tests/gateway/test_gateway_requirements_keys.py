"""What of AUTH-1 to AUTH-11 and of the threats to credentials no other test holds."""

import hmac
import re
from pathlib import Path

import pytest
from gateway_stand import GENERATE, KEY, asked, client, gateway, request
from upstream_double import double

from command_line import understudy
from understudy_gateway.config import parse_config
from understudy_gateway.keys import Caller, KeyRing
from understudy_gateway.refusals import Reason, Refusal

TWIN = KEY + "-another"


def ring(*keys: str) -> KeyRing:
    found = [{"id": str(number), "key": key} for number, key in enumerate(keys)]
    return KeyRing(parse_config({"understudy_settings": {"keys": found}}, {"GEMINI_API_KEY": "k"}))


def shown(keys: KeyRing, value: bytes) -> Caller | Refusal:
    return keys.caller(((b"x-goog-api-key", value),), (), is_live=False)


def test_keys_are_compared_as_digests_in_constant_time(monkeypatch):  # AUTH-3, S-17
    compared = []
    real = hmac.compare_digest

    def spying(one, other):
        compared.append((one, other))
        return real(one, other)

    keys = ring(KEY, TWIN)
    monkeypatch.setattr(hmac, "compare_digest", spying)
    found = shown(keys, KEY.encode())
    assert isinstance(found, Caller)
    assert found.key_id == "0"
    assert compared
    assert all(len(digest) == 32 for pair in compared for digest in pair)
    assert not any(KEY.encode() in digest for pair in compared for digest in pair)


def test_keys_that_begin_alike_are_told_apart():  # S-17: no key is known by a part of it
    keys = ring(KEY, TWIN)
    found = [shown(keys, key.encode()) for key in (KEY, TWIN, KEY[:-1], KEY + "x", KEY[:20])]
    assert [one.key_id if isinstance(one, Caller) else one.reason for one in found] == [
        *("0", "1"),
        *(Reason.WRONG_KEY,) * 3,
    ]


@pytest.mark.parametrize(
    "value", [f"{KEY},{KEY}", f"{KEY}, x", f"{KEY} {KEY}", f"{KEY}\xe9", "\xff", "\t", f"Bearer {KEY} x"]
)
async def test_a_list_or_other_bytes_in_a_carrier_are_no_key(value):  # S-19
    async with double() as up, gateway(up.url) as running:
        reply = await asked(running, request(headers={"x-goog-api-key": value}, key=None))
        assert (reply.status, reply.reason, up.connections) == (401, "NO_KEY", 0)


async def test_each_request_on_a_connection_proves_its_key():  # S-7
    async with double() as up, gateway(up.url) as running, client(running) as talk:
        statuses = []
        for key in (KEY, None, "sk-wrong-0123456789", KEY):
            await talk.send(request(key=key))
            statuses.append((await talk.reply()).status)
        assert (statuses, len(up.requests)) == ([200, 401, 401, 200], 2)


@pytest.mark.parametrize("name", ["access_token", "oauth_token", "%61ccess_token", "key", "k%65y"])
async def test_credentials_of_other_kinds_in_the_query_stay_behind(name):  # S-2, S-5, URL-3
    async with double() as up, gateway(up.url) as running:
        assert (await asked(running, request(f"{GENERATE}?a=1&{name}=ya29.secret&b=2"))).status == 200
        assert up.requests[0].target.endswith(b":generateContent?a=1&b=2")
        assert b"ya29" not in up.requests[0].head


def test_no_flag_takes_a_secret(tmp_path: Path):  # S-15, SEC-8
    done = understudy("gateway", "--help", home=tmp_path, more={"COLUMNS": "200", "NO_COLOR": "1"})
    options = set(re.findall(r"--[a-z][a-z-]+", done.stdout))
    assert {"--config", "--port"} <= options
    named = {option for option in options if re.search(r"key|token|secret|password|credential", option)}
    assert named <= {"--tls-key"}  # the path of a file
