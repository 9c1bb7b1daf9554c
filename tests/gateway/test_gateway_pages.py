"""Web pages as clients, what stands before the gateway, its leave, quiet sessions: CORS, Origin, readiness, pings."""

import asyncio
from typing import Any

import pytest
from gateway_stand import KEY, asked, gateway, request
from live_doubles import RawServer, connect, frame, handshake, switching
from test_upstream_transport import WAIT_S, until
from upstream_double import Seen, Talk, answering, double, response

LIVE = b"/gemini/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent"
PAGE, OTHER = "https://app.example", "https://evil.example"
KEY_FIELD = b"x-goog-api-key: " + KEY.encode()


def preflight(origin: str) -> bytes:
    wanted = {"Origin": origin, "Access-Control-Request-Method": "POST"}
    more = {"Access-Control-Request-Headers": "x-goog-api-key, content-type"}
    return request(method="OPTIONS", headers=wanted | more, key=None, body=None)


async def test_cors_is_answered_only_when_configured():
    """URL-12, HDR-8: without the setting OPTIONS is the provider's, and nothing is added."""
    async with double(answering(response(b"{}"))) as up, gateway(up.url) as running:
        assert (await asked(running, preflight(PAGE))).status == 401
        reply = await asked(running, request(method="OPTIONS", headers={"Origin": PAGE}, body=None))
        assert (reply.status, up.requests[-1].request_line.split()[0]) == (200, b"OPTIONS")
        assert not any(name.lower().startswith(b"access-control") for name, _ in reply.fields)
        assert up.requests[-1].values(b"origin") == [PAGE.encode()]


async def test_a_page_of_the_list_is_answered_and_no_other():
    """URL-12."""
    async with double() as up, gateway(up.url, allowed_origins=[PAGE]) as running:
        asking = await asked(running, preflight(PAGE), is_head=True)
        assert asking.status == 204
        assert asking.value(b"access-control-allow-origin") == PAGE.encode()
        assert asking.value(b"access-control-allow-headers") == b"x-goog-api-key, content-type"
        assert b"POST" in (asking.value(b"access-control-allow-methods") or b"")
        assert up.connections == 0
        assert (await asked(running, preflight(OTHER))).status == 401
        good = await asked(running, request(headers={"Origin": PAGE}))
        assert good.value(b"access-control-allow-origin") == PAGE.encode()
        assert good.value(b"vary") == b"Origin"
        refused = await asked(running, request(headers={"Origin": PAGE}, key=None))
        assert (refused.status, refused.value(b"access-control-allow-origin")) == (401, PAGE.encode())
        for fields in ({"Origin": OTHER}, {"Origin": PAGE + ".evil"}, {}):
            reply = await asked(running, request(headers=fields))
            assert (reply.status, reply.value(b"access-control-allow-origin")) == (200, None)


async def test_what_the_provider_says_of_pages_is_not_overwritten():
    """HDR-8."""
    said = b"HTTP/1.1 200 OK\r\nAccess-Control-Allow-Origin: https://theirs\r\nContent-Length: 2\r\n\r\n{}"
    async with double(answering(said)) as up, gateway(up.url, allowed_origins=["*"]) as running:
        reply = await asked(running, request(headers={"Origin": PAGE}))
        values = [value for name, value in reply.fields if name.lower() == b"access-control-allow-origin"]
        assert values == [b"https://theirs"]


@pytest.mark.parametrize(
    ("listed", "origin", "target", "fields", "is_let_in"),
    [
        ([], None, LIVE + b"?key=" + KEY.encode(), (), True),
        ([], OTHER, LIVE + b"?key=" + KEY.encode(), (), False),
        ([], OTHER, LIVE + b"?key=" + KEY.encode(), (b"Cookie: key=" + KEY.encode(),), False),
        ([], OTHER, LIVE, (KEY_FIELD,), True),
        ([], OTHER, LIVE, (b"Sec-WebSocket-Protocol: a, openai-insecure-api-key." + KEY.encode(),), True),
        ([PAGE], PAGE, LIVE + b"?key=" + KEY.encode(), (), True),
        ([PAGE], OTHER, LIVE + b"?key=" + KEY.encode(), (), False),
        (["*"], OTHER, LIVE + b"?key=" + KEY.encode(), (), True),
    ],
)
async def test_a_page_opens_a_live_session_only_with_a_key_it_can_know(listed, origin, target, fields, is_let_in):
    """S-58, WS-16: neither Origin nor Cookie goes upstream."""
    async with RawServer() as provider:
        url = f"http://127.0.0.1:{provider.port}"
        async with gateway(url, allowed_origins=listed) as running:
            page = await connect(int(running.http_url.rpartition(":")[2]))
            page.send(handshake(target, *fields, *([b"Origin: " + origin.encode()] if origin else [])))
            if is_let_in:
                peer = await asyncio.wait_for(provider.accept(), WAIT_S)
                head = await peer.head()
                assert b"\r\norigin:" not in head.lower()
                assert b"\r\ncookie:" not in head.lower()
                assert KEY.encode() not in head
                peer.send(switching(head))
                assert b" 101 " in await page.head()
            else:
                head = await page.head()
                assert b" 403 " in head
                assert b"ORIGIN_REFUSED" in head
                assert provider._all == []
            await page.leave()
            await provider.let_go()


@pytest.mark.parametrize("is_on", [False, True])
@pytest.mark.parametrize("kind", [b"text/event-stream", b"Text/Event-Stream; charset=utf-8", b"application/json"])
async def test_event_streams_tell_nginx_not_to_collect_them_behind_a_switch(kind, is_on):
    """STR-8."""
    async with (
        double(answering(response(b"data: 1\n\n", kind))) as up,
        gateway(up.url, unbuffered_sse=is_on) as running,
    ):
        reply = await asked(running, request())
        assert reply.value(b"x-accel-buffering") == (b"no" if is_on and b"vent" in kind else None)


async def test_readiness_turns_before_anything_else_when_a_delay_is_configured():
    """R-24, OBS-7: until the delay is over requests are served on new connections."""
    async with double() as up:
        manager = gateway(up.url, timeouts={"drain_delay_s": 1.0})
        running = await manager.__aenter__()
        leaving = asyncio.create_task(manager.__aexit__(None, None, None))
        await until(lambda: running._dispatcher.is_leaving)
        ready = await asked(running, request("/health/readiness", method="GET", key=None, body=None))
        alive = await asked(running, request("/health/liveliness", method="GET", key=None, body=None))
        assert (ready.status, alive.status) == (503, 200)
        assert (await asked(running, request())).status == 200
        await asyncio.wait_for(leaving, WAIT_S)


async def test_a_stall_in_an_answer_that_is_held_back_costs_the_idle_limit_once():
    """STR-6, OBS-3: it ends before another exchange does that stalls half a limit later and was not held back."""
    ended: list[bytes] = []

    async def script(talk: Talk, seen: Seen) -> None:
        kind = seen.values(b"x-kind")[0]
        await talk.send(b"HTTP/1.1 200 OK\r\nContent-Type: %b\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n" % kind)
        await talk.left()
        ended.append(kind)

    async def stalled(running, kind: str):
        return await asyncio.wait_for(asked(running, request(headers={"x-kind": kind})), WAIT_S)

    settings: dict[str, Any] = {"timeouts": {"idle_s": 1.0}, "response_cost_header": True}
    async with double(script) as up, gateway(up.url, **settings) as running:
        held = asyncio.create_task(stalled(running, "application/json"))
        await until(lambda: up.requests)
        await asyncio.sleep(0.5)
        plain = await stalled(running, "text/event-stream")
        assert [(reply.body, reply.is_whole) for reply in (await held, plain)] == [(b"ab", False)] * 2
        await until(lambda: len(ended) == 2)
    assert ended == [b"application/json", b"text/event-stream"]


# --- Live sessions that are quiet ------------------------------------------------------------------------------------


async def live(running, provider: RawServer):
    page = await connect(int(running.http_url.rpartition(":")[2]))
    page.send(handshake(LIVE, KEY_FIELD))
    peer = await asyncio.wait_for(provider.accept(), WAIT_S)
    peer.send(switching(await peer.head()))
    assert b" 101 " in await page.head()
    return page, peer


async def test_pings_of_the_gateways_own_go_to_both_ends_of_a_quiet_session():
    """WS-10, S-60: masked upstream, at a frame boundary; a pong passes as any frame, none is waited for."""
    async with RawServer() as provider:
        settings: dict[str, Any] = {"timeouts": {"live_ping_s": 0.1}}
        async with gateway(f"http://127.0.0.1:{provider.port}", **settings) as running:
            page, peer = await live(running, provider)
            assert await asyncio.wait_for(page.exactly(2), WAIT_S) == b"\x89\x00"
            first = await asyncio.wait_for(peer.exactly(6), WAIT_S)
            second = await asyncio.wait_for(peer.exactly(6), WAIT_S)
            assert first[:2] == second[:2] == b"\x89\x80"
            assert first[2:] != second[2:]
            page.send(frame(10, b"", masked=True))
            while (got := await asyncio.wait_for(peer.frame(), WAIT_S)) == (9, b""):
                pass
            assert got == (10, b"")
            await page.leave()


async def test_no_ping_is_put_into_a_frame():
    """WS-10: the provider's frame is half there, so the client gets none; the provider does."""
    async with RawServer() as provider:
        settings: dict[str, Any] = {"timeouts": {"live_ping_s": 0.05}}
        async with gateway(f"http://127.0.0.1:{provider.port}", **settings) as running:
            page, peer = await live(running, provider)
            whole = frame(2, b"x" * 60, masked=False)
            peer.send(whole[:20])
            for _ in range(4):
                assert (await asyncio.wait_for(peer.frame(), WAIT_S))[0] == 9
            peer.send(whole[20:])
            while (got := await asyncio.wait_for(page.frame(), WAIT_S)) == (9, b""):
                pass
            assert got == (2, b"x" * 60)
            await page.leave()


async def test_a_session_on_which_nothing_is_said_is_closed_when_that_is_configured():
    """S-53: pongs are not talk."""
    async with RawServer() as provider:
        settings: dict[str, Any] = {"timeouts": {"live_idle_s": 0.3, "live_ping_s": 0.1}}
        async with gateway(f"http://127.0.0.1:{provider.port}", **settings) as running:
            page, peer = await live(running, provider)
            for _ in range(5):
                await asyncio.sleep(0.1)
                page.send(frame(1, b"hello", masked=True))
            closes = []
            for end, masked in ((page, True), (peer, False)):
                while (got := await asyncio.wait_for(end.frame(), WAIT_S))[0] != 8:
                    if got[0] == 9:
                        end.send(frame(10, b"", masked=masked))
                closes.append(got[1])
            assert closes == [b"\x03\xe9nothing was said for too long"] * 2
            await page.leave()


async def test_sessions_over_the_limit_of_the_process_are_a_503():
    """S-53, R-22: one place is free again when its session is over."""
    async with RawServer() as provider:
        limits = {"sessions": 2}
        async with gateway(f"http://127.0.0.1:{provider.port}", limits=limits) as running:
            pages = [(await live(running, provider))[0] for _ in range(2)]
            late = await connect(int(running.http_url.rpartition(":")[2]))
            late.send(handshake(LIVE, KEY_FIELD))
            head = await late.head()
            assert b" 503 " in head
            assert b"TOO_MANY_SESSIONS" in head
            assert b"retry-after" in head.lower()
            await late.leave()
            await pages.pop().leave()
            await until(lambda: len(running._sessions) == 1)
            pages.append((await live(running, provider))[0])
            for page in pages:
                await page.leave()
