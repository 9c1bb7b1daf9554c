"""Checks of the messages of Live sessions: each arrives as it was sent (requirements WS-5, 7, 12, 15)."""

from base64 import b64encode
from collections.abc import Iterator
from typing import Final

from ..messages import BINARY, TEXT, Frame, Session
from ..scenario.model import Receive, Scenario, SendAudio
from .model import Check, Converse, Conversed, Finding
from .probes import Document, live_probe
from .sessions import (
    GOODBYE,
    OPENED,
    OPENING,
    TURN_END,
    UNTIL_CLOSED,
    ended,
    frame_line,
    said,
    same_both_ways,
    same_from_client,
    same_from_provider,
    sessionwise,
)

_ANY: Final[Document] = {"receive": "any"}
_END: Final[Document] = {"send": {"json": {"serverContent": {"turnComplete": True}}}}
_GO: Final = said({"clientContent": {"turnComplete": True}})

_PAYLOADS: Final = (
    b'{"clientContent" : {"turns":[ ], "turnComplete":false}} ',
    b'{"realtimeInput":{"text":"\\u00e9\\ud83d\\ude00 \xc3\xa9 \\/"}}',
    b'{"a":1.0,"b":1E5,"c":0.10,"d":-0.0,"e":123456789012345678901234567890,"a":2}',
    b"[1, 2]",
    b"no JSON at all",
    b"null",
    b" ",
    b"\xff\xfe\x00\x80",
    bytes(range(256)),
    b"\x00" * 126,
    b"x" * 65536,
)
"""What must pass as it is: odd JSON, what is no JSON and no text, lengths at the edges of frames."""

_TEXTS: Final = frozenset({0, 3, 4, 6})
"""Which of the payloads go as text."""


def _sent(payload: bytes, opcode: str = "binary") -> Document:
    return {"send": {"base64": b64encode(payload).decode(), "opcode": opcode}}


def _received(count: int) -> tuple[Receive, ...]:
    return (Receive(),) * count


_TABLE: Final = live_probe(
    "ws/payload-table",
    "Payloads of all sorts, from either side",
    Converse(
        (
            *OPENING,
            *(said(payload, TEXT if number in _TEXTS else BINARY) for number, payload in enumerate(_PAYLOADS)),
            *_received(len(_PAYLOADS)),
            GOODBYE,
        )
    ),
    [
        *OPENED,
        *(_ANY for _ in _PAYLOADS),
        *(_sent(payload, "text" if number in _TEXTS else "binary") for number, payload in enumerate(_PAYLOADS)),
        UNTIL_CLOSED,
    ],
)
_KINDS: Final = live_probe(
    "ws/text-and-binary",
    "The same JSON as text and as binary, from either side",
    Converse(
        (*OPENING, *(said({"realtimeInput": {"text": "a"}}, kind) for kind in (TEXT, BINARY, TEXT)), *_received(3))
    ),
    [
        *OPENED,
        *(_ANY for _ in range(3)),
        *({"send": {"json": {"serverContent": {}}, "opcode": kind}} for kind in ("binary", "text", "binary")),
        UNTIL_CLOSED,
    ],
)
_EMPTY: Final = live_probe(
    "ws/empty-messages",
    "Messages without a byte, from either side",
    Converse((*OPENING, said(b"", BINARY), said(b"", TEXT), *_received(3), GOODBYE)),
    [*OPENED, _ANY, _ANY, _sent(b""), _sent(b"", "text"), _END, UNTIL_CLOSED],
)

_UNUSUAL: Final[tuple[Document, ...]] = (
    {"goAway": {"timeLeft": "9.5s"}},
    {"sessionResumptionUpdate": {"newHandle": "h-1", "resumable": True}},
    {"toolCall": {"functionCalls": [{"id": "c1", "name": "f", "args": {}}]}},
    {"toolCallCancellation": {"ids": ["c1"]}},
    {"serverContent": {"interrupted": True}},
    {"voiceActivity": {"voiceActivityType": "ACTIVITY_START"}},
    {"somethingNobodyKnows": {"x": [1, None, True]}},
)
_UNKNOWN: Final = live_probe(
    "ws/unknown-messages",
    "Messages that need no answer of a gateway, known and unknown ones",
    Converse((*OPENING, said({"somethingNew": {"y": 1}}), *_received(len(_UNUSUAL)), GOODBYE)),
    [*OPENED, _ANY, *({"send": {"json": message}} for message in _UNUSUAL), UNTIL_CLOSED],
)
_FRAGMENTS: Final = live_probe(
    "ws/fragmented",
    "A message of the provider in many fragments",
    Converse((*OPENING, _GO, TURN_END, GOODBYE)),
    [
        *OPENED,
        _ANY,
        {"send": {"base64": b64encode(bytes(range(256)) * 40).decode()}, "fault": {"slice": 700}},
        _END,
        UNTIL_CLOSED,
    ],
)

_SIZES: Final = ("17200ms", "82s")
"""As audio of 24 kHz in base64: 1.1 and 5.2 MB."""
_FROM_CLIENT: Final = live_probe(
    "ws/large-from-client",
    "Messages of 1.1 and 5.2 MB of the client",
    Converse(
        (*OPENING, *(SendAudio(size, size, 24000, 0.0) for size in (17.2, 82.0)), _GO, TURN_END, GOODBYE),
        limit_s=30.0,
    ),
    [*OPENED, _ANY, _ANY, _ANY, _END, UNTIL_CLOSED],
    settle_s=8.0,
)
_FROM_PROVIDER: Final = live_probe(
    "ws/large-from-provider",
    "Messages of 1.1 and 5.2 MB of the provider",
    Converse((*OPENING, _GO, TURN_END, GOODBYE), limit_s=30.0),
    [
        *OPENED,
        _ANY,
        *({"send_audio": {"silence": True, "duration": size, "frame": size}} for size in _SIZES),
        _END,
        UNTIL_CLOSED,
    ],
    settle_s=8.0,
)


def _opcodes(frames: tuple[Frame, ...]) -> list[int]:
    return [frame.opcode for frame in frames]


def _same_kinds(one: Conversed, session: Session) -> Iterator[Finding]:
    ways = (
        ("from the client", one.session.sent_by("client"), session.sent_by("client")),
        ("from the provider", session.sent_by("server"), one.session.sent_by("server")),
    )
    for way, sent, came in ways:
        if len(sent) != len(came):
            evidence = (f"{way}: {len(sent)} sent, {len(came)} came", f"client: {one.problem or ended(one)}")
            yield Finding("Messages were lost or added.", evidence)
            continue
        for before, after in zip(sent, came, strict=True):
            if before.opcode != after.opcode:
                evidence = (f"way: {way}", f"sent: {frame_line(before)}", f"came: {frame_line(after)}")
                yield Finding("A message came as another kind than it was sent.", evidence)
                break


def _same_empties(one: Conversed, session: Session) -> Iterator[Finding]:
    ways = (
        ("from the client", one.session.sent_by("client"), session.sent_by("client")),
        ("from the provider", session.sent_by("server"), one.session.sent_by("server")),
    )
    for way, sent, came in ways:
        wanted, found = (_opcodes(tuple(frame for frame in side if not frame.payload)) for side in (sent, came))
        if len(wanted) != len(found):
            evidence = (
                f"{way}: {len(wanted)} empty ones sent, {len(found)} came",
                f"client: {one.problem or ended(one)}",
            )
            yield Finding("Empty messages did not pass.", evidence)


def _library_frames(one: Conversed, session: Session) -> Iterator[Finding]:
    yield from same_both_ways(one, session)
    yield from _same_kinds(one, session)
    if one.problem is not None:
        yield Finding("The session did not go as the scenario says.", (one.problem, ended(one)))


def _is_live_unchanged(scenario: Scenario) -> bool:
    """Whether it is a whole session that must pass unchanged."""
    return scenario.surface.is_live and scenario.expect.frames == "unchanged"


CHECKS: Final = (
    Check(
        "WS-5/text-and-binary",
        "Text passes as text and binary as binary: Google sends JSON in binary frames.",
        sessionwise(_same_kinds),
        reference="RFC 6455 5.6",
        probes=(_KINDS,),
    ),
    Check(
        "WS-5/payload-table",
        "What the client sends arrives byte for byte: odd JSON, no JSON, no text, any length.",
        sessionwise(same_from_client),
        reference="RFC 6455 5.6",
        probes=(_TABLE,),
    ),
    Check(
        "WS-5/server-messages",
        "What the provider sends arrives byte for byte: odd JSON, no JSON, no text, any length.",
        sessionwise(same_from_provider),
        reference="RFC 6455 5.6",
        probes=(_TABLE,),
    ),
    Check(
        "WS-5/empty-messages",
        "Messages without a byte pass, either way.",
        sessionwise(_same_empties),
        reference="RFC 6455 5.6",
        probes=(_EMPTY,),
    ),
    Check(
        "WS-5/library-frames",
        "The sessions of the library pass unchanged: every message, its kind and its place.",
        sessionwise(_library_frames),
        reference="RFC 6455 5.6",
        fits=_is_live_unchanged,
    ),
    Check(
        "WS-7/large-from-client",
        "Messages of the client of 1.1 and 5 MB pass.",
        sessionwise(same_from_client),
        reference="RFC 6455 5.4, 10.4",
        probes=(_FROM_CLIENT,),
    ),
    Check(
        "WS-7/large-from-provider",
        "Messages of the provider of 1.1 and 5 MB pass.",
        sessionwise(same_from_provider),
        reference="RFC 6455 5.4, 10.4",
        probes=(_FROM_PROVIDER,),
    ),
    Check(
        "WS-12/fragmented-from-provider",
        "A message in fragments arrives whole.",
        sessionwise(same_from_provider),
        reference="RFC 6455 5.4",
        probes=(_FRAGMENTS,),
    ),
    Check(
        "WS-15/unknown-messages",
        "The gateway neither answers nor swallows goAway, resumption, tool and unknown messages.",
        sessionwise(same_both_ways),
        reference="ai.google.dev/api/live",
        probes=(_UNKNOWN,),
    ),
)
