"""`x-pass-*` attacked on a running gateway: one request for each name that it may not set (HDR-4, S-22 to S-25)."""

import asyncio
from dataclasses import replace

import pytest
from gateway_stand import GENERATE, KEY, UPSTREAM_KEY, Reply, asked, client, config_of, gateway, request
from live_doubles import RawServer, connect, handshake
from upstream_double import Double, double

CARRIERS = (
    *("authorization", "api-key", "x-api-key", "x-goog-api-key", "x-litellm-api-key", "proxy-authorization"),
    *("ocp-apim-subscription-key", "x-my-key", "cookie"),
)
ROUTING = ("host", "forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-forwarded-anything")
FRAMING = (
    *("content-length", "transfer-encoding", "te", "trailer", "upgrade", "connection", "keep-alive", "expect"),
    *("proxy-connection", "proxy-authenticate", "proxy-anything"),
    *("sec-websocket-key", "sec-websocket-protocol", "sec-websocket-extensions", "sec-websocket-version"),
)
CONTROL = ("x-litellm-call-id", "x-litellm-tags", "x-litellm-anything", "tags")
AGAIN = ("x-pass-", "x-pass-host", "x-pass-x-pass-x")
DENIED = (*CARRIERS, *ROUTING, *FRAMING, *CONTROL, *AGAIN)

VALUE = "evil-value-of-an-attacker"
VERTEX = "/vertex_ai/v1/publishers/google/models/gemini-2.5-flash:generateContent"


def settings(url: str):
    return replace(config_of(url), key_header="x-my-key")


def odd_case(name: str) -> str:
    return "".join(letter.upper() if at % 2 else letter for at, letter in enumerate(name))


def assert_refused(reply: Reply, provider: Double) -> None:
    """S-23: 400, the header named and its value not; the provider heard of nothing."""
    assert (reply.status, reply.reason) == (400, "HEADER_DENIED")
    assert VALUE.encode() not in reply.head + reply.body
    assert provider.requests == []


@pytest.mark.parametrize("name", DENIED)
@pytest.mark.parametrize("target", [GENERATE, VERTEX])
async def test_a_name_that_may_not_be_set_is_a_400_on_every_route_alike(name, target):
    async with double() as up, gateway("", config=settings(up.url)) as running:
        for spelled in (f"x-pass-{name}", odd_case(f"x-pass-{name}")):
            reply = await asked(running, request(target, headers={spelled: VALUE}))
            assert_refused(reply, up)
            assert name.encode() in reply.body or name == "x-pass-"


@pytest.mark.parametrize("name", [name for name in DENIED if "-" in name.removeprefix("x-pass-")])
async def test_an_underscore_in_place_of_a_hyphen_makes_no_other_name(name):
    # S-22: servers behind may read `x_goog_api_key` as the field with hyphens.
    async with double() as up, gateway("", config=settings(up.url)) as running:
        reply = await asked(running, request(headers={f"x-pass-{name.replace('-', '_')}": VALUE}))
        assert_refused(reply, up)


@pytest.mark.parametrize("name", ["", "a b", "a\tb", "na(me", "na@me", 'na"me', "n\xe4me"])
async def test_what_is_left_of_a_name_must_be_one(name):
    async with double() as up, gateway("", config=settings(up.url)) as running:
        reply = await asked(running, request(headers={f"x-pass-{name}": VALUE}))
        assert reply.status == 400
        assert VALUE.encode() not in reply.head + reply.body
        assert up.requests == []


@pytest.mark.parametrize("name", DENIED)
async def test_it_is_the_same_on_live(name):
    async with RawServer() as upstream, gateway("", config=settings(f"http://127.0.0.1:{upstream.port}")) as running:
        peer = await connect(int(running.http_url.rpartition(":")[2]))
        path = b"/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent"
        field = f"x-pass-{name}: {VALUE}".encode()
        peer.send(handshake(path, b"x-goog-api-key: " + KEY.encode(), field))
        async with asyncio.timeout(10):
            head = await peer.head()
        assert head.startswith(b"HTTP/1.1 400 ")
        assert b"HEADER_DENIED" in head
        assert VALUE.encode() not in head
        await peer.leave()


@pytest.mark.parametrize("name", DENIED)
async def test_named_by_connection_it_goes_nowhere_before_anything_else_is_asked(name):
    # S-25: hop-by-hop, whatever else it is.
    headers = [("Connection", f"keep-alive, X-Pass-{name}"), (f"x-pass-{name}", VALUE)]
    async with double() as up, gateway("", config=settings(up.url)) as running:
        assert (await asked(running, request(headers=headers))).status == 200
        assert VALUE.encode() not in up.requests[0].head


async def test_the_gateways_own_fields_stand_once_whatever_is_passed():
    # S-24, AUTH-6: exactly one credential, Host and length.
    headers = {"x-pass-X-Good": "a", "x-pass-user-agent": "b", "X-PASS-x-goog-user-project": "c"}
    async with double() as up, gateway("", config=settings(up.url)) as running:
        assert (await asked(running, request(headers=headers))).status == 200
        seen = up.requests[0]
    assert seen.values(b"x-goog-api-key") == [UPSTREAM_KEY.encode()]
    assert [len(seen.values(name)) for name in (b"host", b"content-length", b"transfer-encoding")] == [1, 1, 0]
    passed = [(b"X-Good", b"a"), (b"user-agent", b"b"), (b"x-goog-user-project", b"c")]
    assert [field for field in seen.fields if field in passed] == passed
    assert b"x-pass" not in seen.head.lower()


@pytest.mark.parametrize("value", [KEY, f"Bearer {KEY}", f"a={KEY};b", KEY.replace("g", "%67")])
async def test_the_gateway_key_cannot_be_smuggled_out_in_a_value(value):
    # S-1, AUTH-5
    async with double() as up, gateway("", config=settings(up.url)) as running:
        reply = await asked(running, request(headers={"x-pass-x-innocent": value}))
        assert (reply.status, reply.reason) == (400, "KEY_ELSEWHERE")
        assert up.requests == []


@pytest.mark.parametrize("value", [b"a\x00b", b"a\x0bb", b"a\x7fb"])
async def test_a_value_cannot_hold_what_ends_a_field(value):
    # HDR-10: nothing of it becomes a field of its own.
    sent = request(headers={"x-pass-x-innocent": "HERE"}).replace(b"HERE", value)
    async with double() as up, gateway("", config=settings(up.url)) as running:
        async with client(running) as talk:
            await talk.send(sent)
            assert (await talk.reply()).status == 400
        assert up.requests == []


async def test_many_of_them_are_bounded_as_all_fields_are():
    # S-44
    headers = [(f"x-pass-x-{number}", "v") for number in range(300)]
    async with double() as up, gateway("", config=settings(up.url)) as running:
        assert (await asked(running, request(headers=headers))).status == 431
        assert up.requests == []
