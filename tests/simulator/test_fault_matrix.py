"""Every kind of fault on every wire that has it, as a raw socket sees it: each byte, before and after time moves on,
and whether FIN, RST or nothing ends it. What a scenario may say and has no row here fails the last tests.
"""

import asyncio
import json
import socket
import struct
from base64 import b64encode
from dataclasses import dataclass
from typing import Any, Final, get_args

import pytest
import test_live_faults
from simulator_rig import FLASH, HELLO, simulator, until

from understudy.errors import ScenarioError
from understudy.library import load_all
from understudy.scenario.model import FaultKind
from understudy.scenario.parse import parse_scenario
from understudy_simulator.clock import ManualClock

VALUES: Final[dict[str, Any]] = {
    **dict.fromkeys(("latency", "jitter", "stall", "slow_head", "slow_close"), "1s"),
    "bandwidth": 100,
    "slice": 7,
    "truncate": 5,
    "corrupt": 2,
    "shorten": 3,
    "pad": 4,
    "opcode": 3,
    "insert": {"text": "{}"},
    "duplicate_field": "n",
    "without": "n",
    "content_type": "a/b",
    "reserved_bit": 1,
}
SETUP = {"receive": {"json": {"setup": {"model": "*"}}}}
TARGETS = {"sse": "streamGenerateContent?alt=sse", "array": "streamGenerateContent"}
PATH = "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent?key=k"

# ---- what is sent without a fault

BODY = '{"n": 0, "t": "aé"}'.encode()
SSE = [b'data: {"n": 1}\r\n\r\n', b'data: {"n": 2}\r\n\r\n', b'data: {"n": 3}\r\n\r\n']
ARRAY = [b'[{\n  "n": 1\n}', b'\n,\r\n{\n  "n": 2\n}', b'\n,\r\n{\n  "n": 3\n}', b"\n]"]
FIRST, SECOND, THIRD = b'{"n":1}', '{"n":2,"t":"aé"}'.encode(), b'{"n":3}'
NOTHING_YET: Final = None
"""Not even the head of the answer."""


def cut(*chunks):
    """Chunks of a body that does not end (RFC 9112 section 7.1)."""
    return b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks if chunk)


def whole(*chunks):
    return cut(*chunks) + b"0\r\n\r\n"


def pieces(data, size):
    return [data[start : start + size] for start in range(0, len(data), size)]


def frame(payload, first=0x82):
    return bytes((first, len(payload))) + payload


CLOSE = frame(struct.pack("!H", 1000), 0x88)


@dataclass(frozen=True)
class Seen:
    """Bytes after the head: `early` at once, `late` when the clock has moved on. `changed`: so many of them differ."""

    early: bytes | None
    late: bytes = b""
    end: str = "open"
    waits: bool = False
    changed: int = 0


def waiting(early, late, end="open"):
    return Seen(early, late, end, waits=True)


def of_answer(parts):
    """The rows of what befalls a whole answer of these parts; those that differ by what the parts are, not."""
    first, *others = parts
    half = len(first) // 2
    everything = b"".join(parts)
    return {
        "latency": waiting(NOTHING_YET, whole(*parts)),
        "jitter": waiting(b"", whole(*parts)),
        "stall": waiting(cut(first[:half]), whole(first[half:], *others)),
        "slow_head": waiting(NOTHING_YET, whole(*parts)),
        "slow_close": waiting(whole(*parts), b"", "fin"),
        "bandwidth": waiting(cut(first[:5]), whole(*[piece for part in parts for piece in pieces(part, 5)][1:])),
        "slice": Seen(whole(*[piece for part in parts for piece in pieces(part, 7)])),
        "truncate": Seen(cut(everything[:5]), end="fin"),
        "reset_peer": Seen(NOTHING_YET, end="reset"),
        "hang_up": Seen(NOTHING_YET, end="fin"),
        "half_close": Seen(whole(*parts), end="fin"),
        "stop": Seen(NOTHING_YET),
        "end": Seen(whole(b"[]" if parts is ARRAY else b"")),
        "corrupt": Seen(whole(*parts), changed=2),
        "shorten": Seen(whole(everything[:3])),
        "invalid_utf8": Seen(whole(first[:half] + b"\xff" + first[half:], *others)),
        "content_type": Seen(whole(*parts)),
    }


def of_chunk(parts):
    """The rows of what befalls the second chunk of these."""
    first, second, *others = parts
    third, *end = others
    return {
        "latency": waiting(cut(first), whole(second, *others)),
        "jitter": waiting(cut(first), whole(second, *others)),
        "stall": waiting(cut(first), whole(second, *others)),
        "bandwidth": waiting(cut(first, second[:5]), whole(*pieces(second, 5)[1:], *others)),
        "slice": Seen(whole(first, *pieces(second, 7), *others)),
        "truncate": Seen(cut(first, second[:5]), end="fin"),
        "reset_peer": Seen(cut(first), end="reset"),
        "hang_up": Seen(cut(first), end="fin"),
        "half_close": Seen(cut(first), end="fin"),
        "stop": Seen(cut(first)),
        "end": Seen(whole(first, *end)),
        "drop": Seen(whole(first, *others)),
        "duplicate": Seen(whole(first, second, second, *others)),
        "reorder": Seen(whole(first, third, second, *end)),
        "corrupt": Seen(whole(*parts), changed=2),
    }


def ended(*data, **words):
    """The session goes on to its close."""
    return Seen(b"".join(data) + CLOSE, end="fin", **words)


A, B, C = frame(FIRST), frame(SECOND), frame(THIRD)
ROWS: Final[dict[str, dict[str, Seen | str]]] = {
    "body": {
        **of_answer([BODY]),
        "pad": Seen(whole(b"{    " + BODY[1:])),
        "malformed": Seen(whole(BODY.replace(b":", b";", 1))),
        "duplicate_field": Seen(whole(b'{"n": 0, ' + BODY[1:])),
        "without": Seen(whole('{"t": "aé"}'.encode())),
    },
    "sse": {
        **of_answer(SSE),
        "pad": Seen(whole(b'data: {    "n": 1}\r\n\r\n', *SSE[1:])),
        "malformed": Seen(whole(b'data: {"n"; 1}\r\n\r\n', *SSE[1:])),
        "duplicate_field": Seen(whole(*[b'data: {"n": %d, "n": %d}\r\n\r\n' % (n, n) for n in (1, 2, 3)])),
        "without": Seen(whole(*[b"data: {}\r\n\r\n"] * 3)),
    },
    "array": {
        **of_answer(ARRAY),
        "pad": Seen(whole(b"[    " + ARRAY[0][1:], *ARRAY[1:])),
        "malformed": Seen(whole(b'[{\n  "n"; 1\n}', *ARRAY[1:])),
        "duplicate_field": Seen(whole(*[one.replace(b'"n"', b'"n": %d, "n"' % n) for n, one in enumerate(ARRAY, 1)])),
        "without": Seen(whole(b"[{\n  \n}", *[b"\n,\r\n{\n  \n}"] * 2, b"\n]")),
    },
    "chunk of sse": {
        **of_chunk(SSE),
        "shorten": Seen(whole(SSE[0], b"dat", SSE[2])),
        "invalid_utf8": Seen(whole(SSE[0], SSE[1][:9] + b"\xff" + SSE[1][9:], SSE[2])),
        "pad": Seen(whole(SSE[0], b'data: {    "n": 2}\r\n\r\n', SSE[2])),
        "malformed": Seen(whole(SSE[0], b'data: {"n"; 2}\r\n\r\n', SSE[2])),
        "duplicate_field": Seen(whole(SSE[0], b'data: {"n": 2, "n": 2}\r\n\r\n', SSE[2])),
        "without": Seen(whole(SSE[0], b"data: {}\r\n\r\n", SSE[2])),
    },
    "chunk of array": {
        **of_chunk(ARRAY),
        "shorten": Seen(whole(ARRAY[0], b"\n,\r\n{\n ", *ARRAY[2:])),
        "invalid_utf8": Seen(whole(ARRAY[0], b'\n,\r\n{\n  "n\xff": 2\n}', *ARRAY[2:])),
        "pad": Seen(whole(ARRAY[0], b'\n,\r\n{    \n  "n": 2\n}', *ARRAY[2:])),
        "malformed": Seen(whole(ARRAY[0], b'\n,\r\n{\n  "n"; 2\n}', *ARRAY[2:])),
        "duplicate_field": Seen(whole(ARRAY[0], b'\n,\r\n{\n  "n": 2, "n": 2\n}', *ARRAY[2:])),
        "without": Seen(whole(ARRAY[0], b"\n,\r\n{\n  \n}", *ARRAY[2:])),
    },
    "step": {
        "latency": waiting(NOTHING_YET, whole(BODY)),
        "stall": waiting(NOTHING_YET, whole(BODY)),
        "reset_peer": Seen(NOTHING_YET, end="reset"),
        "hang_up": Seen(NOTHING_YET, end="fin"),
        "half_close": Seen(NOTHING_YET, end="fin"),
        "stop": Seen(NOTHING_YET),
    },
    "message": {
        "latency": waiting(A, B + C + CLOSE, "fin"),
        "jitter": waiting(A, B + C + CLOSE, "fin"),
        "stall": waiting(A, B + C + CLOSE, "fin"),
        "bandwidth": waiting(A + B[:5], B[5:] + C + CLOSE, "fin"),
        "slice": ended(A, frame(SECOND[:7], 0x02), frame(SECOND[7:14], 0), frame(SECOND[14:], 0x80), C),
        "truncate": Seen(A + B[: 2 + 5], end="fin"),
        "reset_peer": Seen(A, end="reset"),
        "hang_up": Seen(A, end="fin"),
        "half_close": Seen(A, end="fin"),
        "stop": Seen(A),
        "drop": ended(A, C),
        "duplicate": ended(A, B, B, C),
        "reorder": ended(A, C, B),
        "insert": ended(A, frame(b"{}"), B, C),
        "corrupt": ended(A, B, C, changed=2),
        "shorten": ended(A, frame(SECOND[:3]), C),
        "pad": ended(A, frame(b"{    " + SECOND[1:]), C),
        "malformed": ended(A, frame(SECOND.replace(b":", b";", 1)), C),
        "invalid_utf8": ended(A, frame(SECOND[:8] + b"\xff" + SECOND[8:], 0x81), C),
        "duplicate_field": ended(A, frame(b'{"n":2, ' + SECOND[1:]), C),
        "without": ended(A, frame('{"t":"aé"}'.encode()), C),
        "opcode": ended(A, frame(SECOND, 0x83), C),
        "reserved_bit": ended(A, frame(SECOND, 0xC2), C),
        "masked": "test_a_frame_is_masked_as_no_server_may",
    },
    "step of a session": {
        "latency": waiting(A, B + C + CLOSE, "fin"),
        "stall": waiting(A, B + C + CLOSE, "fin"),
        "bandwidth": waiting(A + B[:5], B[5:] + C + CLOSE, "fin"),
        "reset_peer": Seen(A, end="reset"),
        "hang_up": Seen(A, end="fin"),
        "half_close": Seen(A, end="fin"),
        "stop": Seen(A),
        "slow_close": waiting(A + B + C + CLOSE, b"", "fin"),
        "ignore_pings": "test_pings_are_answered_until_they_are_ignored",
    },
    "session": {
        "latency": waiting(b"", A + B + C + CLOSE, "fin"),
        "jitter": waiting(b"", A + B + C + CLOSE, "fin"),
        "stall": waiting(b"", A + B + C + CLOSE, "fin"),
        "bandwidth": waiting(A[:5], A[5:] + B + C + CLOSE, "fin"),
        "slice": ended(A, frame(SECOND[:7], 0x02), frame(SECOND[7:14], 0), frame(SECOND[14:], 0x80), C),
        "truncate": Seen(A[: 2 + 5], end="fin"),
        "reset_peer": Seen(b"", end="reset"),
        "hang_up": Seen(b"", end="fin"),
        "half_close": Seen(b"", end="fin"),
        "stop": Seen(b""),
        "slow_close": waiting(A + B + C + CLOSE, b"", "fin"),
        "insert": ended(*[frame(b"{}") + one for one in (A, B, C)]),
        "corrupt": ended(A, B, C, changed=6),
        "shorten": ended(*[frame(one[:3]) for one in (FIRST, SECOND, THIRD)]),
        "pad": ended(*[frame(b"{    " + one[1:]) for one in (FIRST, SECOND, THIRD)]),
        "malformed": ended(*[frame(one.replace(b":", b";", 1)) for one in (FIRST, SECOND, THIRD)]),
        "invalid_utf8": ended(
            frame(b'{"n\xff":1}', 0x81), frame(SECOND[:8] + b"\xff" + SECOND[8:], 0x81), frame(b'{"n\xff":3}', 0x81)
        ),
        "duplicate_field": ended(frame(b'{"n":1, "n":1}'), frame(b'{"n":2, ' + SECOND[1:]), frame(b'{"n":3, "n":3}')),
        "without": ended(frame(b"{}"), frame('{"t":"aé"}'.encode()), frame(b"{}")),
        "opcode": ended(*[frame(one, 0x83) for one in (FIRST, SECOND, THIRD)]),
        "reserved_bit": ended(*[frame(one, 0xC2) for one in (FIRST, SECOND, THIRD)]),
        "masked": "test_a_layer_befalls_a_scripted_session_too_and_its_own_faults_its_own",
        "ignore_pings": "test_pings_are_not_answered_in_a_session_that_ignores_them",
    },
}


# ---- what a scenario may say


def document(form, kind, *, laid):
    """The document that has this fault in this place; `laid`: in `faults`, over what the script says."""
    fault = {kind: VALUES.get(kind, True)}
    is_live = form in ("message", "step of a session", "session")
    answer = {"text": BODY.decode()}
    beside = {} if laid else {"fault": fault}
    between = [] if laid else [{"fault": fault}]
    if form == "body":
        server = [{"reply": answer, **beside}]
    elif form == "step":
        server = [*between, {"reply": answer}]
    elif form in TARGETS:
        server = [{"stream": {"chunks": [{"json": {"n": n}} for n in (1, 2, 3)]}, **beside}]
    elif form.startswith("chunk"):
        chunks = [{"json": {"n": n}} for n in (1, 2, 3)]
        server = [{"stream": {"chunks": [chunks[0], *between, *chunks[1:]]}}]
    else:
        first, second, third = ({"send": {"text": text.decode()}} for text in (FIRST, SECOND, THIRD))
        middle = [*between, second] if form == "step of a session" else [second | beside]
        server = [SETUP, first, *middle, third, {"close": {}}]
    words = {"id": "test/matrix", "title": "t", "surface": "gemini-live" if is_live else "gemini", "model": "*"}
    at = {"at": 2} if form == "message" or form.startswith("chunk") else {}
    return words | {"server": server} | ({"faults": [{"fault": fault, **at}]} if laid else {})


def may_be_said(form, kind, *, laid):
    try:
        parse_scenario(document(form, kind, laid=laid))
    except ScenarioError:
        return False
    return True


def places_of(form):
    """In the script, in `faults`, or both."""
    return {"step": (False,), "step of a session": (False,), "session": (True,)}.get(form, (False, True))


def loops_of(row):
    """Ends and waits depend on the event loop's transports, what is said does not."""
    return ("asyncio", "uvloop") if row.waits or not row.early or row.end != "open" else ("asyncio",)


CASES = [
    pytest.param(form, kind, laid, loop, id=f"{form}: {kind}{' laid over' if laid else ''} ({loop})")
    for form, rows in ROWS.items()
    for kind, row in rows.items()
    if isinstance(row, Seen)
    for laid in places_of(form)
    for loop in (loops_of(row) if laid is places_of(form)[0] else ("asyncio",))
]


# ---- a client that is nothing but a socket


class Wire:
    def __init__(self, sock):
        self.sock = sock
        self.data = b""
        self.end = "open"
        self.reading = None

    async def more(self, seconds=20.0):
        """Read once; whether something came within that time. A read goes on: one that is cancelled may lose bytes."""
        if self.reading is None:
            self.reading = asyncio.create_task(asyncio.get_running_loop().sock_recv(self.sock, 65536))
        done, _ = await asyncio.wait({self.reading}, timeout=seconds)
        if not done:
            return False
        reading, self.reading = self.reading, None
        try:
            got = reading.result()
        except ConnectionResetError:
            self.end = "reset"
            return True
        self.data += got
        self.end = self.end if got else "fin"
        return True

    async def say(self, data):
        await asyncio.get_running_loop().sock_sendall(self.sock, data)

    async def leave(self):
        if self.reading is not None:
            self.reading.cancel()
            await asyncio.wait({self.reading})

    @property
    def after_head(self):
        _, found, rest = self.data.partition(b"\r\n\r\n")
        return rest if found else NOTHING_YET


def request_of(form):
    if form in ("message", "step of a session", "session"):
        key = b64encode(b"0123456789abcdef").decode()
        fields = f"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13"
        return f"GET {PATH} HTTP/1.1\r\nHost: x\r\n{fields}\r\n\r\n".encode()
    target = f"{FLASH}:{TARGETS.get(form.removeprefix('chunk of '), 'generateContent')}"
    body = json.dumps(HELLO).encode()
    return (
        f"POST {target} HTTP/1.1\r\nHost: x\r\nx-goog-api-key: k\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
    )


def client_frame(payload, opcode):
    return struct.pack("!BB", 0x80 | opcode, 0x80 | len(payload)) + bytes(4) + payload


def difference(seen, meant):
    assert len(seen) == len(meant)
    return sum(one != other for one, other in zip(seen, meant, strict=True))


@pytest.mark.parametrize(("form", "kind", "laid", "each_loop"), CASES, indirect=["each_loop"])
async def test_a_fault_on_the_wire(form, kind, laid, each_loop):
    row = ROWS[form][kind]
    assert isinstance(row, Seen)
    clock = ManualClock()
    async with simulator(clock=clock, speed=1.0) as running:
        running.stage.arm(parse_scenario(document(form, kind, laid=laid)))
        host, _, port = running.http_url.removeprefix("http://").partition(":")
        with socket.create_connection((host, int(port))) as sock:
            sock.setblocking(False)
            wire = Wire(sock)
            await wire.say(request_of(form))
            if form in ("message", "step of a session", "session"):
                await wire.more()
                await wire.say(client_frame(b'{"setup":{"model":"m"}}', 0x1))
            await observe(wire, row, clock, is_sharp=kind in ("latency", "stall", "slow_close"))
            if kind == "content_type":
                assert b"\r\nContent-Type: a/b\r\n" in wire.data
            # Where nothing comes, nothing says either when the request was read.
            seen_now = running.stage.recorder.transcript
            [seen] = await until(lambda: seen_now().exchanges or seen_now().sessions)
            [told] = set(seen.origin.faults)
            assert told.split()[0] == kind
            assert told.endswith("(test/matrix: always)") == laid
            await wire.leave()


async def observe(wire, row, clock, *, is_sharp):
    """What comes is what the row says, no byte more, neither before its time nor after."""
    early = row.early or b""
    while wire.end == "open" and (len(wire.after_head or b"") < len(early) or is_headless(wire, row)):
        assert await wire.more(), wire.data
    if early.endswith(CLOSE):
        await wire.say(client_frame(CLOSE[2:], 0x8))
    if row.waits:
        for seconds in (0, 0.99) if is_sharp else (0,):
            clock.advance(seconds)
            assert not await wire.more(0.01), (seconds, wire.data)
            assert wire.end == "open" and wire.after_head == row.early
        await let_time_pass(wire, row, clock)
    while row.end != "open" and wire.end == "open":
        assert await wire.more(), wire.data
    if row.end == "open":
        assert not await wire.more(0.01), wire.data
    assert wire.end == row.end
    if row.changed:
        assert difference(wire.after_head, early) == row.changed
    else:
        assert (wire.after_head or b"") == early + row.late
        assert (wire.after_head is NOTHING_YET) == (row.early is NOTHING_YET and not row.late)


def is_headless(wire, row):
    return wire.after_head is NOTHING_YET and row.early is not NOTHING_YET


async def let_time_pass(wire, row, clock):
    """Move the clock on in small steps until all has come that is still to come."""
    meant = (row.early or b"") + row.late
    async with asyncio.timeout(20):
        while wire.end == "open" and (len(wire.after_head or b"") < len(meant) or row.late == b""):
            clock.advance(0.05)
            await wire.more(0.002)
    if row.late.endswith(CLOSE):
        await wire.say(client_frame(CLOSE[2:], 0x8))


# ---- nothing is left out

VOCABULARY: Final = {
    "status with google.rpc details": ("faults/unavailable", "faults/quota-then-room"),
    "wrong content type": ("content_type",),
    "malformed JSON": ("malformed",),
    "truncated JSON": ("shorten", "truncate"),
    "empty body": ("faults/empty-body",),
    "duplicate field": ("duplicate_field",),
    "huge body": ("pad",),
    "slow headers": ("slow_head",),
    "stop after n chunks silently": ("stop",),
    "end without finish reason": ("end", "without"),
    "corrupt a chunk": ("corrupt",),
    "stall": ("stall",),
    "delay before first chunk": ("latency", "faults/slow-first-chunk"),
    "split inside a UTF-8 sequence or an event": ("slice", "invalid_utf8", "faults/split-characters"),
    "reset": ("reset_peer",),
    "refuse upgrade": (
        "faults/upgrade-refused",
        "faults/handshake-reset",
        "faults/handshake-unanswered",
        "faults/handshake-late",
    ),
    "never answer setup": ("faults/setup-unanswered",),
    "close code and reason": ("faults/closed-1011",),
    "close without handshake": ("hang_up", "faults/closed-without-a-frame"),
    "half-open stall": ("half_close", "faults/session-half-open"),
    "drop, duplicate, reorder, delay a frame": ("drop", "duplicate", "reorder", "latency"),
    "fragment": ("slice",),
    "oversize": ("faults/oversized-message",),
    "wrong opcode": ("opcode", "reserved_bit", "masked"),
    "unanswered ping": ("ignore_pings",),
    "GoAway with time left": ("insert", "faults/go-away"),
    "session expiry": ("faults/session-expired",),
    "resumption handle rejected": ("faults/handle-rejected",),
    "tool-call cancellation": ("faults/tool-call-cancelled",),
    "interrupted mid-turn": ("faults/interrupted",),
    "missing turnComplete": ("faults/no-turn-complete",),
    "never done": ("faults/operation-never-done",),
    "error at done": ("faults/operation-fails",),
    "404 after expiry": ("faults/operation-gone",),
    "safety-filtered count": ("faults/videos-filtered",),
    "poll 503 then recover": ("faults/polls-fail-twice",),
    "token endpoint error": ("faults/token-endpoint-down", "faults/token-refused"),
    "expired token": ("faults/expired-token",),
    "401 then 200 after refresh": ("faults/unauthorized-once",),
    "wrong audience": ("faults/wrong-audience",),
    "403 by project": ("faults/project-refused",),
    "network": ("latency", "jitter", "bandwidth", "slow_close", "stall", "reset_peer", "slice", "truncate"),
}
"""What a provider can do to its clients, and the kinds or shipped scenarios (test_shipped_faults) that do it. Quotas
have tests of their own (test_quotas)."""


def test_the_whole_vocabulary_is_there():
    kinds, shipped = set(get_args(FaultKind)), {scenario.id for scenario in load_all(["faults"])}
    named = {name for names in VOCABULARY.values() for name in names}
    assert named <= kinds | shipped
    assert kinds <= named


@pytest.mark.parametrize("form", ROWS)
def test_what_a_scenario_may_say_has_its_row(form):
    kinds = [
        kind for kind in get_args(FaultKind) if any(may_be_said(form, kind, laid=laid) for laid in places_of(form))
    ]
    assert sorted(ROWS[form]) == sorted(kinds)


def test_every_kind_of_fault_has_a_row():
    assert {kind for rows in ROWS.values() for kind in rows} == set(get_args(FaultKind))


def test_rows_that_name_a_test_name_one_that_there_is():
    named = [row for rows in ROWS.values() for row in rows.values() if isinstance(row, str)]
    assert named and all(callable(getattr(test_live_faults, name)) for name in named)
