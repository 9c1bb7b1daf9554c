"""The opening handshake: what clients must send, and dialling the upstream over real sockets."""

import asyncio
import ssl

import pytest
import trustme
from hypothesis import given
from live_doubles import ACCEPT, KEY, RawServer, switching, value_of

from strategies import splits
from understudy_gateway.upgrade import (
    Dial,
    DialError,
    DialFailed,
    DialTimedOut,
    Refused,
    Upgraded,
    accept_value,
    handshake_fault,
    open_upstream,
    request_head,
    subprotocols_of,
    switching_head,
    without_keys,
)

GOOD = (
    (b"Host", b"gw"),
    (b"Connection", b"keep-alive, Upgrade"),
    (b"Upgrade", b"WebSocket"),
    (b"Sec-WebSocket-Version", b"13"),
    (b"Sec-WebSocket-Key", KEY),
)


def without(name: bytes) -> tuple[tuple[bytes, bytes], ...]:
    return tuple(field for field in GOOD if field[0] != name)


# the client's handshake


def test_a_good_handshake_has_no_fault():
    assert handshake_fault("GET", (1, 1), GOOD) is None


@pytest.mark.parametrize(
    ("status", "method", "version", "headers"),
    [
        (400, "POST", (1, 1), GOOD),
        (400, "GET", (1, 0), GOOD),
        (426, "GET", (1, 1), without(b"Upgrade")),
        (426, "GET", (1, 1), without(b"Connection")),
        (426, "GET", (1, 1), (*without(b"Upgrade"), (b"Upgrade", b"h2c"))),
        (426, "GET", (1, 1), without(b"Sec-WebSocket-Version")),
        (426, "GET", (1, 1), (*without(b"Sec-WebSocket-Version"), (b"Sec-WebSocket-Version", b"8"))),
        (426, "GET", (1, 1), (*GOOD, (b"Sec-WebSocket-Version", b"13"))),
        (400, "GET", (1, 1), without(b"Sec-WebSocket-Key")),
        (400, "GET", (1, 1), (*GOOD, (b"Sec-WebSocket-Key", KEY))),
        (400, "GET", (1, 1), (*without(b"Sec-WebSocket-Key"), (b"Sec-WebSocket-Key", b"c2hvcnQ="))),
        (400, "GET", (1, 1), (*without(b"Sec-WebSocket-Key"), (b"Sec-WebSocket-Key", b"\xff" * 24))),
        (400, "GET", (1, 1), (*GOOD, (b"Content-Length", b"5"))),
        (400, "GET", (1, 1), (*GOOD, (b"Transfer-Encoding", b"chunked"))),
        (400, "GET", (1, 1), (*GOOD, (b"Sec-WebSocket-Protocol", b"a,,b"))),
        (400, "GET", (1, 1), (*GOOD, (b"Sec-WebSocket-Protocol", b"a b"))),
    ],
)
def test_a_faulty_handshake_is_answered_by_its_status(status, method, version, headers):
    fault = handshake_fault(method, version, headers)
    assert fault is not None
    assert fault.status == status
    assert (b"Upgrade" in dict(fault.headers)) == (status == 426)


def test_a_wrong_version_is_told_the_right_one():
    fault = handshake_fault("GET", (1, 1), without(b"Sec-WebSocket-Version"))
    assert fault is not None
    assert dict(fault.headers)[b"Sec-WebSocket-Version"] == b"13"


def test_the_accept_value_is_that_of_the_rfc():
    assert accept_value(KEY) == ACCEPT


def test_subprotocols_are_read_from_all_fields_and_keys_told_apart():
    headers = ((b"Sec-WebSocket-Protocol", b"a, openai-insecure-api-key.sk-1"), (b"sec-websocket-protocol", b"b"))
    assert subprotocols_of(headers) == ("a", "openai-insecure-api-key.sk-1", "b")
    assert without_keys(subprotocols_of(headers)) == ("a", "b")
    assert without_keys(("OpenAI-Insecure-API-Key.sk-1",)) == ()


def test_the_answer_to_a_client_has_accept_subprotocol_and_further_fields():
    head = switching_head(GOOD, "chat", ((b"x-request-id", b"7"),))
    assert head.startswith(b"HTTP/1.1 101 Switching Protocols\r\n")
    assert value_of(head, b"sec-websocket-accept") == ACCEPT
    assert value_of(head, b"sec-websocket-protocol") == b"chat"
    assert value_of(head, b"x-request-id") == b"7"
    assert head.endswith(b"\r\n\r\n")


# the head that goes upstream

DIAL = Dial("ws", "up.test", 8080, b"//ws/a%2Fb?x=%20")


def test_the_head_has_the_raw_target_and_the_headers_in_order_with_repeats():
    headers = ((b"X-B", b"1"), (b"x-a", b"\xc3\xa9"), (b"X-B", b"2"))
    dial = Dial("ws", "up.test", 8080, b"//ws/a%2Fb?x=%20", headers, ("chat", "openai-insecure-api-key.sk-1"))
    assert request_head(dial, KEY) == (
        b"GET //ws/a%2Fb?x=%20 HTTP/1.1\r\nHost: up.test:8080\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: " + KEY + b"\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: chat\r\n"
        b"X-B: 1\r\nx-a: \xc3\xa9\r\nX-B: 2\r\n\r\n"
    )


@pytest.mark.parametrize(
    ("scheme", "host", "port", "authority"),
    [
        ("ws", "up.test", 80, b"up.test"),
        ("wss", "up.test", 443, b"up.test"),
        ("ws", "up.test", 443, b"up.test:443"),
        ("wss", "::1", 9, b"[::1]:9"),
    ],
)
def test_the_host_field_leaves_the_default_port_out(scheme, host, port, authority):
    assert value_of(request_head(Dial(scheme, host, port, b"/"), KEY), b"host") == authority


@pytest.mark.parametrize("bad", [b"a\r\nx: y", b"a\nb", b"a\0b"])
def test_no_line_can_break_out_of_its_line(bad):
    for dial in (Dial("ws", "h", 80, b"/" + bad), Dial("ws", "h", 80, b"/", ((b"x", bad),))):
        with pytest.raises(ValueError, match="line break"):
            request_head(dial, KEY)


# dialling


async def dialled(answer: bytes, *, end: bool = False, pieces: int | None = None, **dial) -> Refused | Upgraded:
    """What comes of a dial that is answered so; `{accept}` in it becomes the right accept value."""
    async with RawServer() as upstream:
        task = asyncio.create_task(open_upstream(upstream.dial(**dial)))
        provider = await upstream.accept()
        key = value_of(await provider.head(), b"sec-websocket-key")
        assert key is not None
        data = answer.replace(b"{accept}", accept_value(key))
        step = pieces or len(data) or 1
        for at in range(0, len(data), step):
            provider.send(data[at : at + step])
            await asyncio.sleep(0)
        if end:
            provider.writer.close()
        result = await task
        if isinstance(result, Upgraded):
            result.transport.abort()
        assert await provider.rest() == b""
        return result


SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n"


async def test_bytes_that_come_with_the_switch_are_handed_over():
    got = await dialled(SWITCH + b"Sec-WebSocket-Accept: {accept}\r\nX-Goog: 1\r\n\r\n\x82\x00rest")
    assert isinstance(got, Upgraded)
    assert got.leftover == b"\x82\x00rest"
    assert (b"X-Goog", b"1") in got.headers
    assert got.subprotocol is None


async def test_nothing_is_read_after_the_switch_until_the_taker_reads():
    async with RawServer() as upstream:
        task = asyncio.create_task(open_upstream(upstream.dial()))
        provider = await upstream.accept()
        provider.send(switching(await provider.head()))
        got = await task
        assert isinstance(got, Upgraded)
        assert not got.transport.is_reading()
        got.transport.abort()


async def test_each_dial_has_a_fresh_nonce_of_sixteen_bytes():
    keys = set()
    async with RawServer() as upstream:
        for _ in range(3):
            task = asyncio.create_task(open_upstream(upstream.dial()))
            provider = await upstream.accept()
            head = await provider.head()
            assert handshake_fault("GET", (1, 1), tuple(_fields(head))) is None
            keys.add(value_of(head, b"sec-websocket-key"))
            provider.send(switching(head))
            got = await task
            assert isinstance(got, Upgraded)
            got.transport.abort()
    assert len(keys) == 3


def _fields(head: bytes):
    for line in head.split(b"\r\n")[1:-2]:
        name, _, value = line.partition(b": ")
        yield name, value


ANSWER_TO_ZEROS = switching(b"\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==") + b"\x82\x01a"


@given(splits(ANSWER_TO_ZEROS))
def test_the_switch_is_read_alike_in_any_split(pieces):
    async def scenario() -> None:
        async with RawServer() as upstream:
            task = asyncio.create_task(open_upstream(upstream.dial(), random_bytes=bytes))
            provider = await upstream.accept()
            await provider.head()
            for piece in pieces:
                provider.send(piece)
                await asyncio.sleep(0.0002)
            got = await task
            assert isinstance(got, Upgraded)
            late = asyncio.get_running_loop().create_future()
            got.transport.set_protocol(_Collect(late, 3 - len(got.leftover)))
            got.transport.resume_reading()
            assert got.leftover + await late == b"\x82\x01a"
            got.transport.abort()

    asyncio.run(scenario())


class _Collect(asyncio.Protocol):
    def __init__(self, future: asyncio.Future, size: int) -> None:
        self.future, self.size, self.data = future, size, b""
        self.data_received(b"")

    def data_received(self, data: bytes) -> None:
        self.data += data
        if len(self.data) >= self.size and not self.future.done():
            self.future.set_result(self.data)


@pytest.mark.parametrize("pieces", [None, 1])
@pytest.mark.parametrize("status", [200, 302, 400, 401, 403, 404, 426, 429, 500, 503])
async def test_a_refusal_is_handed_back_with_status_headers_and_body(status, pieces):
    answer = (
        b"HTTP/1.1 %d No way\r\nContent-Length: 7\r\nRetry-After: 3\r\nX-A: 1\r\nX-A: 2\r\n\r\n{\xff: 1}\n" % status
    )
    got = await dialled(answer, pieces=pieces)
    headers = ((b"Content-Length", b"7"), (b"Retry-After", b"3"), (b"X-A", b"1"), (b"X-A", b"2"))
    assert got == Refused(status, "No way", headers, b"{\xff: 1}\n")


async def test_a_refusal_with_upgrade_fields_is_a_refusal():
    got = await dialled(b"HTTP/1.1 426 U\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nContent-Length: 1\r\n\r\nx")
    assert isinstance(got, Refused)
    assert (got.status, got.body) == (426, b"x")


@pytest.mark.parametrize(
    ("answer", "end", "body"),
    [
        (
            b"HTTP/1.1 403 F\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\nX-T: 1\r\n\r\n",
            False,
            b"abc",
        ),
        (b"HTTP/1.1 403 F\r\n\r\nuntil the end", True, b"until the end"),
        (b"HTTP/1.1 204 F\r\n\r\n", False, b""),
        (b"HTTP/1.1 103 Early\r\nLink: x\r\n\r\nHTTP/1.1 403 F\r\nContent-Length: 2\r\n\r\nno", False, b"no"),
        (b"HTTP/1.1 403 F\r\nContent-Length: 2\r\n\r\nnoand more behind it", False, b"no"),
    ],
    ids=["chunked", "until-the-end", "none", "after-interim", "more-behind"],
)
async def test_the_body_of_a_refusal_is_read_by_its_framing(answer, end, body):
    got = await dialled(answer, end=end)
    assert isinstance(got, Refused)
    assert got.body == body
    assert not any(name in (b"Link", b"X-T") for name, _ in got.headers)


async def test_an_interim_answer_before_the_switch_is_passed_over():
    got = await dialled(b"HTTP/1.1 100 Continue\r\n\r\n" + SWITCH + b"Sec-WebSocket-Accept: {accept}\r\n\r\n")
    assert isinstance(got, Upgraded)


@pytest.mark.parametrize("chosen", ["chat", "v2"])
async def test_the_subprotocol_that_the_upstream_chose_is_told(chosen):
    answer = SWITCH + b"Sec-WebSocket-Accept: {accept}\r\nSec-WebSocket-Protocol: " + chosen.encode() + b"\r\n\r\n"
    got = await dialled(answer, subprotocols=("chat", "v2"))
    assert isinstance(got, Upgraded)
    assert got.subprotocol == chosen


@pytest.mark.parametrize(
    ("answer", "end"),
    [
        (SWITCH + b"Sec-WebSocket-Accept: " + ACCEPT + b"\r\n\r\n", False),
        (SWITCH + b"\r\n", False),
        (SWITCH + b"Sec-WebSocket-Accept: {accept}\r\nSec-WebSocket-Accept: {accept}\r\n\r\n", False),
        (SWITCH.replace(b"websocket", b"h2c") + b"Sec-WebSocket-Accept: {accept}\r\n\r\n", False),
        (SWITCH + b"Sec-WebSocket-Accept: {accept}\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n", False),
        (SWITCH + b"Sec-WebSocket-Accept: {accept}\r\nSec-WebSocket-Protocol: other\r\n\r\n", False),
        (SWITCH + b"Sec-WebSocket-Accept: {accept}\r\nSec-WebSocket-Protocol: chat, v2\r\n\r\n", False),
        (
            SWITCH + b"Sec-WebSocket-Accept: {accept}\r\nSec-WebSocket-Protocol: openai-insecure-api-key.k\r\n\r\n",
            False,
        ),
        (b"HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: {accept}\r\n\r\n", False),
        (b"\x16\x03\x01 this is no HTTP\r\n\r\n", False),
        (b"", True),
        (b"HTTP/1.1 403 F\r\nContent-Le", True),
        (b"HTTP/1.1 403 F\r\nContent-Length: 10\r\n\r\nshort", True),
        (b"HTTP/1.1 403 F\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nsh", True),
        (b"HTTP/1.1 103 Early\r\n\r\n", True),
        (b"HTTP/1.1 403 F\r\n" + b"X: " + b"y" * 70_000, False),
        (b"HTTP/1.1 403 F\r\nContent-Length: 3000000\r\n\r\n" + bytes(2_000_000), False),
        (b"HTTP/1.1 103 Early\r\nX: y\r\n\r\n" * 4000, False),
    ],
    ids=[
        *("wrong-accept", "no-accept", "two-accepts", "other-protocol", "extension", "subprotocol", "two-subprotocols"),
        *("key-subprotocol", "no-upgrade-field", "no-http", "nothing", "head-cut", "length-cut", "chunks-cut"),
        *("only-interim", "endless-head", "endless-body", "endless-interim"),
    ],
)
async def test_an_answer_that_is_none_fails(answer, end):
    with pytest.raises(DialFailed) as failure:
        await dialled(answer, end=end, subprotocols=("chat", "v2", "openai-insecure-api-key.k"))
    assert failure.value.status == 502
    assert "127.0.0.1" not in str(failure.value)


async def test_a_reset_during_the_handshake_fails():
    async with RawServer() as upstream:
        task = asyncio.create_task(open_upstream(upstream.dial()))
        provider = await upstream.accept()
        await provider.head()
        provider.reset()
        with pytest.raises(DialFailed):
            await task


async def test_a_refused_connection_fails():
    async with RawServer() as upstream:
        dial = upstream.dial()
    with pytest.raises(DialFailed):
        await open_upstream(dial)


@pytest.mark.parametrize(
    "answer", [b"", b"HTTP/1.1 403 F\r\nContent-Length: 10\r\n\r\nshort"], ids=["silent", "stalled"]
)
async def test_an_upstream_that_does_not_answer_times_out_and_is_left(answer):
    async with RawServer() as upstream:
        task = asyncio.create_task(open_upstream(upstream.dial(answer_timeout_s=0.05)))
        provider = await upstream.accept()
        await provider.head()
        provider.send(answer)
        with pytest.raises(DialTimedOut) as failure:
            await task
        assert failure.value.status == 504
        assert await provider.rest() == b""


async def test_an_upstream_that_does_not_finish_tls_times_out():
    async with RawServer() as upstream:
        context = ssl.create_default_context()
        with pytest.raises(DialTimedOut):
            await open_upstream(upstream.dial(scheme="wss", ssl=context, connect_timeout_s=0.05))


async def test_a_dial_that_is_cancelled_leaves_no_connection():
    async with RawServer() as upstream:
        task = asyncio.create_task(open_upstream(upstream.dial()))
        provider = await upstream.accept()
        await provider.head()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await provider.rest() == b""


AUTHORITY = trustme.CA()


def server_tls() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    AUTHORITY.issue_cert("127.0.0.1").configure_cert(context)
    return context


async def test_wss_is_dialled_by_tls_with_the_given_roots():
    context = ssl.create_default_context()
    AUTHORITY.configure_trust(context)
    async with RawServer(server_tls()) as upstream:
        task = asyncio.create_task(open_upstream(upstream.dial(scheme="wss", ssl=context)))
        provider = await upstream.accept()
        provider.send(switching(await provider.head()) + b"\x82\x00")
        got = await task
        assert isinstance(got, Upgraded)
        assert got.leftover == b"\x82\x00"
        assert got.transport.get_extra_info("ssl_object") is not None
        got.transport.abort()


async def test_a_certificate_that_is_not_trusted_fails():
    async with RawServer(server_tls()) as upstream:
        with pytest.raises(DialFailed):
            await open_upstream(upstream.dial(scheme="wss", ssl=ssl.create_default_context()))


async def test_wss_without_a_context_is_a_mistake_of_the_caller():
    with pytest.raises(ValueError, match="SSL context"):
        await open_upstream(Dial("wss", "127.0.0.1", 1, b"/"))


def test_every_dial_error_says_its_status():
    assert [one("").status for one in (DialError, DialFailed, DialTimedOut)] == [502, 502, 504]
