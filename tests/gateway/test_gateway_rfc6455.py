"""RFC 6455 held against a running gateway by raw sockets at both ends: a fixed table, each case from both senders.

A relay has three things to do with a frame: pass it as it came, refuse it with 1002 or 1009 to both ends and let
nothing of it through, or end the session by it (WS-5, WS-8, WS-11, WS-12, security-reliability 2.8).
"""

import asyncio
import itertools
import zlib

import pytest
from attack_stand import WAIT_S, session
from live_doubles import Peer, Recorder

from understudy_gateway.inflating import Deflate, Inflater, agreed, offers_of

MASK = b"\x11\x22\x33\x44"
BOTH = pytest.mark.parametrize("sender", ["client", "provider"])


def wire(first: int, payload: bytes, *, masked: bool, length: bytes | None = None) -> bytes:
    """A frame by its first byte; `length` in place of the right and shortest one."""
    size = len(payload)
    if length is None and size < 126:
        length = bytes([size])
    elif length is None:
        length = b"\x7e" + size.to_bytes(2) if size < 65_536 else b"\x7f" + size.to_bytes(8)
    assert length is not None
    length = bytes([length[0] | (0x80 if masked else 0)]) + length[1:]
    if not masked:
        return bytes([first]) + length + payload
    return bytes([first]) + length + MASK + bytes(byte ^ key for byte, key in zip(payload, itertools.cycle(MASK)))


def ends(client: Peer, peer: Peer, sender: str) -> tuple[Peer, Peer, bool]:
    """Who sends, who gets, and whether the sender masks."""
    return (client, peer, True) if sender == "client" else (peer, client, False)


Frames = list[tuple[int, bytes]]
FIN, RSV1, RSV2, RSV3 = 0x80, 0x40, 0x20, 0x10

PASSING: dict[str, Frames] = {
    "text": [(0x81, b"hello")],
    "empty text": [(0x81, b"")],
    "binary": [(0x82, bytes(range(256)))],
    "empty binary": [(0x82, b"")],
    "125 bytes": [(0x82, b"x" * 125)],
    "126 bytes": [(0x82, b"x" * 126)],
    "127 bytes": [(0x82, b"x" * 127)],
    "65,535 bytes": [(0x82, b"x" * 65_535)],
    "65,536 bytes": [(0x82, b"x" * 65_536)],
    "two fragments": [(0x01, b"hel"), (0x80, b"lo")],
    "empty fragments": [(0x01, b""), (0x00, b""), (0x80, b"")],
    "fragments of one byte": [(0x02, b"a"), *[(0x00, b"b")] * 50, (0x80, b"c")],
    "a character cut by fragments": [(0x01, "ä".encode()[:1]), (0x80, "ä".encode()[1:])],
    "a ping between fragments": [(0x01, b"a"), (0x89, b"ping"), (0x00, b"b"), (0x89, b""), (0x80, b"c")],
    "a pong between fragments": [(0x02, b"a"), (0x8A, b"pong"), (0x80, b"b")],
    "a ping": [(0x89, b"")],
    "a ping with 125 bytes": [(0x89, b"p" * 125)],
    "a ping with bytes that are no text": [(0x89, b"\xff\xfe\x00")],
    "an unsolicited pong": [(0x8A, b"x")],
    "ten pings": [(0x89, b"%d" % number) for number in range(10)],
    "text that is not UTF-8": [(0x81, b"\xff\xfe\xc3\x28")],
    "text with a surrogate": [(0x81, b"\xed\xa0\x80")],
    "text beyond Unicode": [(0x81, b"\xf4\x90\x80\x80")],
    "text with NUL": [(0x81, b"a\0b")],
}
"""Passed on as they came. UTF-8 is left to the two ends."""


@BOTH
@pytest.mark.parametrize("frames", PASSING.values(), ids=PASSING)
@pytest.mark.parametrize("pieces", ["whole", "byte by byte"])
async def test_what_the_rules_allow_passes_byte_for_byte(frames, sender, pieces):
    """WS-5, WS-10, WS-12: opcode, fragments, mask and payload."""
    async with session() as (client, peer, _):
        one, other, masked = ends(client, peer, sender)
        data = b"".join(wire(first, payload, masked=masked) for first, payload in frames)
        if pieces == "whole" or len(data) > 2000:
            one.send(data)
        else:
            for at in range(len(data)):
                one.send(data[at : at + 1])
                await asyncio.sleep(0)
        assert await asyncio.wait_for(other.exactly(len(data)), WAIT_S) == data


REFUSED: dict[str, tuple[int, Frames]] = {
    **{f"RSV{3 - bit} set on text": (1002, [(0x81 | 0x10 << bit, b"x")]) for bit in range(3)},
    "all reserved bits": (1002, [(0xF1, b"x")]),
    "RSV1 on a ping": (1002, [(0xC9, b"x")]),
    "RSV1 on a close": (1002, [(0xC8, b"\x03\xe8")]),
    "RSV1 on a continuation": (1002, [(0x01, b"a"), (0xC0, b"b")]),
    **{f"opcode {opcode:#x}": (1002, [(0x80 | opcode, b"x")]) for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)},
    "a fragmented ping": (1002, [(0x09, b"x")]),
    "a fragmented pong": (1002, [(0x0A, b"x")]),
    "a fragmented close": (1002, [(0x08, b"\x03\xe8")]),
    "a ping of 126 bytes": (1002, [(0x89, b"x" * 126)]),
    "a close of 126 bytes": (1002, [(0x88, b"\x03\xe8" + b"x" * 124)]),
    "a continuation of nothing": (1002, [(0x80, b"x")]),
    "an unfinished continuation of nothing": (1002, [(0x00, b"x")]),
    "a continuation behind a whole message": (1002, [(0x81, b"a"), (0x80, b"b")]),
    "text inside a message": (1002, [(0x01, b"a"), (0x81, b"b")]),
    "binary inside a message": (1002, [(0x01, b"a"), (0x02, b"b")]),
    "half a close code": (1002, [(0x88, b"\x03")]),
    **{
        f"close code {code}": (1002, [(0x88, code.to_bytes(2) + b"why")])
        for code in (0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535)
    },
}


async def closes(client: Peer, peer: Peer) -> list[int]:
    """The codes that both ends are closed with; what passed before is skipped."""
    found: list[int] = []
    for end in (client, peer):
        while (got := await asyncio.wait_for(end.frame(), WAIT_S))[0] != 8:
            pass
        found.append(int.from_bytes(got[1][:2]))
    for end, masked in ((client, True), (peer, False)):
        end.send(wire(0x88, got[1][:2], masked=masked))
    return found


@BOTH
@pytest.mark.parametrize(("code", "frames"), REFUSED.values(), ids=REFUSED)
async def test_what_breaks_the_rules_is_not_passed_on_and_closes_both(code, frames, sender):
    """WS-8, WS-12, S-60: good frames before it arrive, then the close and nothing else."""
    async with session() as (client, peer, _):
        one, other, masked = ends(client, peer, sender)
        good = [wire(first, payload, masked=masked) for first, payload in frames]
        one.send(b"".join(good) + wire(0x82, b"behind", masked=masked))
        before = b"".join(good[:-1])
        assert await asyncio.wait_for(other.exactly(len(before)), WAIT_S) == before
        assert await closes(client, peer) == [code, code]
        assert b"behind" not in await asyncio.wait_for(other.rest(), WAIT_S)


@BOTH
@pytest.mark.parametrize(
    "length",
    [
        b"\x7e\x00\x05",
        b"\x7e\x00\x7d",
        b"\x7f" + (5).to_bytes(8),
        b"\x7f" + (65_535).to_bytes(8),
        b"\x7f\x80" + bytes(7),
    ],
    ids=["5 in two bytes", "125 in two", "5 in eight", "65,535 in eight", "the highest bit"],
)
async def test_a_length_that_is_not_in_its_shortest_form_closes_both(length, sender):
    """RFC 6455 5.2."""
    async with session() as (client, peer, _):
        one, _, masked = ends(client, peer, sender)
        one.send(wire(0x82, b"hello", masked=masked, length=length))
        assert await closes(client, peer) == [1002, 1002]


@BOTH
@pytest.mark.parametrize("first", [0x81, 0x82, 0x89, 0x88])
async def test_a_wrong_mask_closes_both(first, sender):
    """RFC 6455 5.1, S-60: an unmasked client frame, a masked provider frame."""
    async with session() as (client, peer, _):
        one, _, masked = ends(client, peer, sender)
        one.send(wire(first, b"\x03\xe8", masked=not masked))
        assert await closes(client, peer) == [1002, 1002]


CODES = (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4001, 4999)


@BOTH
@pytest.mark.parametrize("code", [None, *CODES])
async def test_a_close_passes_with_its_code_and_reason_and_so_does_its_answer(code, sender):
    """WS-8, WS-9: each code that may be on the wire, and none."""
    async with session() as (client, peer, _):
        one, other, masked = ends(client, peer, sender)
        payload = b"" if code is None else code.to_bytes(2) + "grün".encode()
        one.send(wire(0x88, payload, masked=masked))
        assert await asyncio.wait_for(other.frame(), WAIT_S) == (8, payload)
        other.send(wire(0x88, payload[:2], masked=not masked))
        assert await asyncio.wait_for(one.frame(), WAIT_S) == (8, payload[:2])
        assert await asyncio.wait_for(one.rest(), WAIT_S) == b""
        assert await asyncio.wait_for(other.rest(), WAIT_S) == b""


@BOTH
@pytest.mark.parametrize(
    "reason", [b"x" * 123, b"\xff\xfe", b"\xc3"], ids=["123 bytes", "no UTF-8", "half a character"]
)
async def test_a_reason_passes_as_it_came(reason, sender):
    """WS-8: up to 123 bytes, UTF-8 being the ends' business."""
    async with session() as (client, peer, _):
        one, other, masked = ends(client, peer, sender)
        one.send(wire(0x88, b"\x03\xe8" + reason, masked=masked))
        assert await asyncio.wait_for(other.frame(), WAIT_S) == (8, b"\x03\xe8" + reason)


@BOTH
async def test_nothing_passes_behind_a_close(sender):
    """RFC 6455 5.5.1."""
    async with session() as (client, peer, _):
        one, other, masked = ends(client, peer, sender)
        one.send(wire(0x88, b"\x03\xe8", masked=masked) + wire(0x82, b"late", masked=masked) * 3)
        assert await asyncio.wait_for(other.frame(), WAIT_S) == (8, b"\x03\xe8")
        other.send(wire(0x88, b"\x03\xe8", masked=not masked))
        assert await asyncio.wait_for(other.rest(), WAIT_S) == b""


@BOTH
async def test_what_comes_between_a_close_and_its_answer_still_passes(sender):
    """RFC 6455 5.5.1: who has not closed may finish what he was saying."""
    async with session() as (client, peer, _):
        one, other, masked = ends(client, peer, sender)
        one.send(wire(0x88, b"\x03\xe8", masked=masked))
        assert (await asyncio.wait_for(other.frame(), WAIT_S))[0] == 8
        other.send(wire(0x82, b"last words", masked=not masked) + wire(0x88, b"\x03\xe8", masked=not masked))
        assert await asyncio.wait_for(one.frame(), WAIT_S) == (2, b"last words")
        assert await asyncio.wait_for(one.frame(), WAIT_S) == (8, b"\x03\xe8")


@BOTH
async def test_both_may_close_at_once(sender):
    """RFC 6455 7.1.2: each gets the other's code."""
    async with session() as (client, peer, _):
        one, other, masked = ends(client, peer, sender)
        one.send(wire(0x88, b"\x03\xe8", masked=masked))
        other.send(wire(0x88, b"\x0f\xa0", masked=not masked))
        assert await asyncio.wait_for(other.frame(), WAIT_S) == (8, b"\x03\xe8")
        assert await asyncio.wait_for(one.frame(), WAIT_S) == (8, b"\x0f\xa0")


@BOTH
@pytest.mark.parametrize("how", ["end", "reset"])
@pytest.mark.parametrize("is_in_frame", [False, True], ids=["between frames", "in mid-frame"])
async def test_a_lost_end_becomes_1001_or_1011_and_never_1000(how, sender, is_in_frame):
    """WS-8, WS-9, R-16, R-21."""
    async with session() as (client, peer, _):
        one, other, masked = ends(client, peer, sender)
        if is_in_frame:
            one.send(wire(0x82, b"x" * 100, masked=masked)[:50])
            await asyncio.wait_for(other.exactly(40), WAIT_S)
        if how == "reset":
            one.reset()
        else:
            one.writer.close()
        rest = await asyncio.wait_for(other.rest(), WAIT_S)
        code = (1001 if sender == "client" else 1011).to_bytes(2)
        if is_in_frame:  # no frame may stand in the middle of another: the connection just ends
            assert len(rest) <= 60
        elif sender == "provider":
            assert rest[:1] + rest[2:4] == b"\x88" + code
        else:
            assert rest[:2] == bytes([0x88, 0x80 | (len(rest) - 6)])
            plain = bytes(byte ^ key for byte, key in zip(rest[6:], itertools.cycle(rest[2:6])))
            assert plain[:2] == code


@BOTH
@pytest.mark.parametrize("size", [1_100_000, 5 * 2**20, 16 * 2**20], ids=["1.1 MB", "5 MiB", "16 MiB"])
@pytest.mark.parametrize("count", [1, 7], ids=["one frame", "fragments"])
async def test_big_messages_pass_up_to_the_limit(size, count, sender):
    """WS-7."""
    async with session() as (client, peer, _):
        one, other, masked = ends(client, peer, sender)
        share = -(-size // count)
        payload = bytes(range(256)) * (size // 256 + 1)
        frames: list[bytes] = []
        for number in range(count):
            piece = payload[number * share : min(size, (number + 1) * share)]
            first = (2 if number == 0 else 0) | (FIN if number == count - 1 else 0)
            frames.append(_quick(first, piece, masked=masked))
        data = b"".join(frames)
        sending = asyncio.create_task(_sent(one, data))
        assert await asyncio.wait_for(other.exactly(len(data)), 30) == data
        await sending


async def _sent(end: Peer, data: bytes) -> None:
    end.send(data)
    await end.writer.drain()


def _quick(first: int, payload: bytes, *, masked: bool) -> bytes:
    """A long frame; its mask is of zeros, since masking a long one takes its time."""
    length = b"\x7f" + len(payload).to_bytes(8)
    return bytes([first, length[0] | (0x80 if masked else 0)]) + length[1:] + (bytes(4) if masked else b"") + payload


# --- permessage-deflate, end to end (RFC 7692, WS-11, S-51) -----------------------------------------------------------

DEFLATE = b"Sec-WebSocket-Extensions: permessage-deflate"


def compressed(payload: bytes, window=None) -> bytes:
    window = window or zlib.compressobj(9, zlib.DEFLATED, -15)
    return (window.compress(payload) + window.flush(zlib.Z_SYNC_FLUSH))[:-4]


OFFERS = {
    "plain": (DEFLATE, DEFLATE, b"permessage-deflate"),
    "with parameters": (
        DEFLATE + b"; client_max_window_bits; server_no_context_takeover",
        DEFLATE + b"; client_max_window_bits=12; server_no_context_takeover",
        b"permessage-deflate; client_max_window_bits; server_no_context_takeover",
    ),
    "two offers": (
        DEFLATE + b"; server_max_window_bits=10, permessage-deflate",
        DEFLATE + b"; server_max_window_bits=10",
        b"permessage-deflate; server_max_window_bits=10, permessage-deflate",
    ),
    "beside another extension": (
        b"Sec-WebSocket-Extensions: x-webkit-deflate-frame, permessage-deflate, bbf-usp",
        DEFLATE,
        b"permessage-deflate",
    ),
}


@pytest.mark.parametrize(("offer", "answer", "sent"), OFFERS.values(), ids=OFFERS)
async def test_the_offer_goes_up_and_the_answer_comes_back(offer, answer, sent):
    """WS-11: both as they came, and no other extension."""
    async with session((offer,), (answer,)) as (_, _, attack):
        up, down = attack.heads
        assert b"\r\nSec-WebSocket-Extensions: " + sent + b"\r\n" in up
        assert b"\r\n" + answer + b"\r\n" in down


async def test_an_offer_that_is_not_answered_leaves_frames_uncompressed():
    """WS-11: then RSV1 is a reserved bit."""
    async with session((DEFLATE,)) as (client, peer, attack):
        assert b"extensions" not in attack.heads[1].lower()
        client.send(wire(0xC1, compressed(b"x"), masked=True))
        assert await closes(client, peer) == [1002, 1002]


@BOTH
async def test_compressed_messages_pass_byte_for_byte_and_their_copy_is_read(sender):
    """WS-11, S-51: whole, in fragments, with pings between, with the window kept; the meter sees what they say."""
    async with session((DEFLATE,), (DEFLATE,)) as (client, peer, attack):
        one, other, masked = ends(client, peer, sender)
        (splice,) = attack.running._sessions._running
        splice._meter = meter = Recorder()
        window = zlib.compressobj(9, zlib.DEFLATED, -15)
        texts = [b'{"usageMetadata": {"promptTokenCount": %d}}' % number * 20 for number in range(4)]
        first, second, third, fourth = (compressed(text, window) for text in texts)
        data = (
            wire(0xC1, first, masked=masked) + wire(0x81, b"plain", masked=masked) + wire(0xC1, second, masked=masked)
        )
        data += wire(0x41, third[:5], masked=masked) + wire(0x89, b"ping", masked=masked)
        data += wire(0x00, third[5:6], masked=masked) + wire(0x80, third[6:], masked=masked)
        for at in range(0, len(data), 7):
            one.send(data[at : at + 7])
            await asyncio.sleep(0)
        one.send(wire(0xC1, fourth, masked=masked))
        whole = data + wire(0xC1, fourth, masked=masked)
        assert await asyncio.wait_for(other.exactly(len(whole)), WAIT_S) == whole
        name = "client" if sender == "client" else "server"
        assert meter.seen == [(name, text) for text in (texts[0], b"plain", *texts[1:])]
        assert splice.outcome.unread == 0


@BOTH
@pytest.mark.parametrize(
    "frames",
    [
        *([(0xC9, b"x")], [(0xC8, b"\x03\xe8")], [(0xCA, b"")], [(0xE1, b"x")], [(0xA1, b"x")], [(0xD1, b"x")]),
        *([(0x41, b"a"), (0xC0, b"b")], [(0x01, b"a"), (0xC0, b"b")], [(0xC3, b"x")]),
    ],
)
async def test_rsv1_stands_on_the_first_frame_of_a_message_only(frames, sender):
    """RFC 7692 6.1: nor on control frames, nor with another reserved bit."""
    async with session((DEFLATE,), (DEFLATE,)) as (client, peer, _):
        one, _, masked = ends(client, peer, sender)
        one.send(b"".join(wire(first, payload, masked=masked) for first, payload in frames))
        assert await closes(client, peer) == [1002, 1002]


@pytest.mark.parametrize(
    "answer",
    [
        b"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits=9",
        b"Sec-WebSocket-Extensions: permessage-deflate; unknown=1",
        b"Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=16",
        b"Sec-WebSocket-Extensions: permessage-deflate, permessage-deflate",
        b"Sec-WebSocket-Extensions: permessage-bzip2",
        b"Sec-WebSocket-Extensions: permessage-deflate\r\nSec-WebSocket-Extensions: permessage-deflate",
    ],
)
def test_an_answer_that_was_not_offered_is_none(answer):
    """RFC 7692 7.1, RFC 6455 9.1."""
    values = tuple(line.partition(b": ")[2] for line in answer.split(b"\r\n"))
    with pytest.raises(ValueError, match=r"."):
        agreed(values, ("permessage-deflate",))


def test_an_extension_nobody_offered_is_refused_whatever_it_is():
    with pytest.raises(ValueError, match="not offered"):
        agreed((b"permessage-deflate",), ())
    assert agreed((), ("permessage-deflate",)) is None
    assert agreed((b"",), ()) is None
    assert agreed((b"permessage-deflate; server_no_context_takeover",), ("permessage-deflate",)) == Deflate(True, False)


@pytest.mark.parametrize(
    ("values", "offers"),
    [
        ((b"permessage-deflate; client_max_window_bits",), ("permessage-deflate; client_max_window_bits",)),
        ((b"permessage-deflate; client_max_window_bits=99",), ()),
        ((b"permessage-deflate; server_max_window_bits",), ()),
        ((b"permessage-deflate; server_no_context_takeover=1",), ()),
        ((b'permessage-deflate; server_max_window_bits="10"',), ('permessage-deflate; server_max_window_bits="10"',)),
        ((b"foo", b"permessage-deflate"), ("permessage-deflate",)),
        ((b"permessage-deflate; a\r\nb",), ()),
    ],
)
def test_only_sound_offers_of_deflate_go_on(values, offers):
    assert offers_of(values) == offers


@pytest.mark.parametrize("takeover", [True, False])
@pytest.mark.parametrize("step", [1, 3, 1000])
def test_copies_of_compressed_messages_say_what_was_said(takeover, step):
    inflater = Inflater(takeover=takeover, most=100_000)
    window = zlib.compressobj(9, zlib.DEFLATED, -15)
    for text in (b"hello" * 100, b"", b"hello" * 100, bytes(range(256)) * 300):
        data = compressed(text, window if takeover else None)
        for at in range(0, len(data), step):
            inflater.feed(data[at : at + step])
        assert inflater.finish() == text


def test_a_long_message_that_came_in_few_bytes_is_read_whole():
    inflater = Inflater(takeover=True, most=10_000_000)
    text = b"ab" * 400_000
    inflater.feed(compressed(text))
    assert inflater.finish() == text


def test_a_bomb_is_not_inflated_beyond_its_measure_and_a_long_message_keeps_nothing():
    """S-51."""
    window = zlib.compressobj(9, zlib.DEFLATED, -15)
    inflater = Inflater(takeover=True, most=1000)
    inflater.feed(compressed(b"ab" * 5000, window))
    assert inflater.finish() is None  # too long
    inflater.feed(compressed(b"short", window))
    assert inflater.finish() == b"short"  # the window lived on
    inflater.feed(compressed(b"\0" * 50_000_000, window))
    assert inflater.finish() is None
    inflater.feed(compressed(b"short", window))
    assert inflater.finish() is None  # and all behind it, since it depends on it
    assert len(inflater._out) == 0


def test_without_takeover_the_message_behind_one_that_cannot_be_read_is_read():
    inflater = Inflater(takeover=False, most=1000)
    inflater.feed(b"\xff\xff\xff")  # no deflate
    assert inflater.finish() is None
    inflater.feed(compressed(b"short"))
    assert inflater.finish() == b"short"
    inflater.feed(compressed(b"\0" * 50_000_000))
    assert inflater.finish() is None
    inflater.feed(compressed(b"short"))
    assert inflater.finish() is None  # who sends bombs is not read any more
