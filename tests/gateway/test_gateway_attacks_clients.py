"""Keys and `x-pass-` attacked on a running gateway (S-17 to S-25)."""

import asyncio
import json
import logging
import re

import pytest
from attack_stand import PATH, WAIT_S, field
from gateway_stand import KEY, UPSTREAM_KEY, request

OTHER = "sk-another-key-9876543210"
KEYS = [{"id": "team", "key": KEY}, {"id": "other", "key": OTHER}]

NO_KEYS = {
    "beyond ASCII": "sk-gat\u00e9way-key-0123456789",
    "a start of the key": KEY[:-1],
    "the key and more": KEY + "0",
    "another case": KEY.upper(),
    "empty": "",
    "blanks": "   ",
    "very long": "k" * 15_000,
    "an SQL text": "' OR '1'='1",
    "a format": "{0.__class__}%s%n",
    "the provider's": UPSTREAM_KEY,
}


@pytest.mark.parametrize("presented", NO_KEYS.values(), ids=NO_KEYS)
@pytest.mark.parametrize("carrier", ["x-goog-api-key", "authorization", "x-litellm-api-key", "query"])
async def test_what_is_no_key_is_a_401_and_never_a_crash(carrier, presented, caplog):
    """S-17, S-19, AUTH-2: compared as bytes, on digests."""
    caplog.set_level(logging.DEBUG)
    target, fields = PATH, {}
    if carrier == "query":
        target += "?key=" + "".join(f"%{byte:02X}" for byte in presented.encode())
    else:
        fields[carrier] = ("Bearer " if carrier == "authorization" else "") + presented
    async with field() as attack:
        answers = await attack.hit(request(target, headers=fields, key=None))
        assert answers.statuses in ([401], [431], [400]), answers
        assert answers.statuses == [401] or presented == NO_KEYS["very long"]
        assert attack.up.connections == 0
        if len(presented) > 3:
            assert presented.encode() not in answers.data
            assert presented not in caplog.text


async def test_a_401_comes_without_the_body_and_without_the_provider():
    """S-18: the announced body never comes; the connection is closed."""
    async with field() as attack, attack.talk() as talk:
        await talk.send(request(PATH, headers={"Content-Length": "1000000"}, body=None, key="sk-none-0000000000000"))
        reply = await asyncio.wait_for(talk.reply(), WAIT_S)
        assert (reply.status, reply.value(b"www-authenticate")) == (401, b"Bearer")
        assert await asyncio.wait_for(talk.reader.read(), WAIT_S) == b""
        assert attack.up.connections == 0


@pytest.mark.parametrize(
    "fields",
    [
        [("x-goog-api-key", KEY), ("x-goog-api-key", KEY)],
        [("x-goog-api-key", f"{KEY}, {KEY}")],
        [("x-goog-api-key", KEY), ("X-Goog-Api-Key", "x")],
        [("authorization", f"Bearer {KEY}"), ("authorization", "Bearer x")],
        [("x-goog-api-key", f"{KEY}\xff")],
        [("x-goog-api-key", f"{KEY}\t{KEY}")],
    ],
    ids=["twice", "a list", "twice in another case", "two bearers", "a byte beyond ASCII", "a tab inside"],
)
async def test_a_carrier_that_occurs_twice_holds_a_list_or_odd_bytes_is_no_key(fields):
    """S-19."""
    async with field() as attack:
        answers = await attack.hit(request(PATH, headers=fields, key=None))
        assert answers.statuses in ([401], [400])
        assert attack.up.connections == 0


async def test_two_different_gateway_keys_are_a_401():
    """S-20, AUTH-4."""
    async with field(keys=KEYS) as attack:
        reply = await attack.asked(request(PATH, headers={"authorization": f"Bearer {OTHER}"}))
        assert (reply.status, reply.reason) == (401, "TWO_KEYS")
        assert (await attack.asked(request(PATH, headers={"authorization": f"Bearer {KEY}"}))).status == 200
        assert len(attack.up.requests) == 1


async def test_who_guesses_keys_learns_nothing_and_leaves_no_value_behind(caplog: pytest.LogCaptureFixture):
    """S-21, S-55: a thousand guesses, one line each, without the value; nothing is kept by what was tried."""
    caplog.set_level(logging.INFO)
    guesses = [f"sk-guess-{number:04d}-abcdefghij" for number in range(1000)]
    async with field(timeouts={"wrong_key_s": 0}) as attack, attack.talk() as talk:
        seen: set[bytes] = set()
        for guess in guesses:
            await talk.send(request(PATH, key=guess, body=None, method="GET"))
            reply = await asyncio.wait_for(talk.reply(), WAIT_S)
            seen.add(re.sub(rb"[0-9a-f]{32}", b"", reply.body))
            assert reply.status == 401
        assert len(seen) == 1
        lines = [record.getMessage() for record in caplog.records if "WRONG_KEY" in record.getMessage()]
        assert len(lines) == len(guesses)
        assert not any("sk-guess" in record.getMessage() for record in caplog.records)
        assert attack.up.connections == 0


DENIED = [
    *("authorization", "x-goog-api-key", "api-key", "x-api-key", "x-litellm-api-key", "ocp-apim-subscription-key"),
    *("proxy-authorization", "cookie", "host", "forwarded", "x-forwarded-for", "x-forwarded-host", "content-length"),
    *("transfer-encoding", "te", "trailer", "upgrade", "connection", "keep-alive", "proxy-connection", "expect"),
    *("sec-websocket-key", "sec-websocket-protocol", "x-litellm-tags", "tags", "x-pass-x-note", "X-Pass-Authorization"),
    *("x_goog_api_key", "content_length", "transfer_encoding", "Authorization", "HOST"),
]


@pytest.mark.parametrize("name", DENIED)
async def test_x_pass_sets_nothing_that_is_denied(name):
    """S-22, S-23, HDR-4: 400, naming the header and not its value."""
    async with field() as attack:
        reply = await attack.asked(request(PATH, headers={f"X-Pass-{name}": "evil-value"}))
        assert (reply.status, reply.reason) == (400, "HEADER_DENIED")
        assert f"x-pass-{name}".lower().encode() in reply.body.lower()
        assert b"evil-value" not in reply.head + reply.body
        assert attack.up.connections == 0


async def test_x_pass_is_cut_once_and_sets_an_ordinary_field():
    """S-22."""
    async with field() as attack:
        assert (await attack.asked(request(PATH, headers={"X-Pass-X-Note": "1"}))).status == 200
        (seen,) = attack.up.requests
        assert (seen.values(b"x-note"), seen.values(b"x-pass-x-note")) == ([b"1"], [])


async def test_a_header_replaces_none_that_the_gateway_sets():
    """S-24: the gateway's own fields come last, and once."""
    fields = [("X-Goog-Api-Key", KEY), ("x-pass-x-number", "7"), ("Host", "x")][:2]
    async with field() as attack:
        assert (await attack.asked(request(PATH, headers=fields, key=None))).status == 200
        (seen,) = attack.up.requests
        assert seen.values(b"x-goog-api-key") == [UPSTREAM_KEY.encode()]
        assert seen.values(b"host") == [f"127.0.0.1:{attack.up.port}".encode()]


@pytest.mark.parametrize("named", ["x-pass-x-note", "x-note", "X-Pass-Authorization"])
async def test_what_connection_names_goes_nowhere_with_or_without_the_prefix(named):
    """S-25: first the Connection rule, then the prefix."""
    fields = {"Connection": named, named: "1"}
    async with field() as attack:
        assert (await attack.asked(request(PATH, headers=fields))).status == 200
        (seen,) = attack.up.requests
        assert b"note" not in b"".join(name for name, _ in seen.fields)
        assert json.dumps(named).encode() not in seen.head
