"""The bytes that the workloads send: realistic, never repeating, and the same in every run. Pure."""

import base64
import hashlib
import json
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Final

MODEL: Final = "gemini-2.5-flash"
UNSCRIPTED_MODEL: Final = "gemini-2.5-pro"
LIVE_MODEL: Final = "gemini-live-2.5-flash-preview-native-audio-09-2025"

UNARY_BYTES: Final = 1024
EVENTS: Final = 50
EVENT_BYTES: Final = 200
VARIANTS: Final = 32
"""Different frames of a Live session; the last of them carries the usage, as the last one of a turn does."""

MASK: Final = b"\x5a\xc3\x3c\xa5"

_TEXT_OPCODE: Final = 0x81
_SHORT: Final = 126
_LONG: Final = 65536


def noise(seed: str, size: int) -> bytes:
    """`size` bytes that look random and follow from `seed`: one repeated byte would flatter search and compression."""
    return hashlib.shake_256(seed.encode()).digest(size)


def letters(seed: str, size: int) -> str:
    """`size` characters of base64, as sound and pictures are sent."""
    return base64.b64encode(noise(seed, size)).decode("ascii")[:size]


@lru_cache
def unary_request() -> bytes:
    """The body of a generateContent request of about 1 KB."""
    turn = {"role": "user", "parts": [{"text": letters("request", 800)}]}
    wish = {"contents": [turn], "generationConfig": {"temperature": 0.7, "maxOutputTokens": 256}}
    return json.dumps(wish).encode()


@lru_cache
def unary_answer() -> bytes:
    """The body of a generateContent answer of UNARY_BYTES, indented as Google does."""
    empty = _answer("")
    return _answer(letters("answer", UNARY_BYTES - len(empty)))


def _answer(text: str) -> bytes:
    content = {"parts": [{"text": text}], "role": "model"}
    value = {
        "candidates": [{"content": content, "finishReason": "STOP", "index": 0}],
        "usageMetadata": _usage(20),
        "modelVersion": MODEL,
        "responseId": "rIVgaJzQF5-0",
    }
    return json.dumps(value, indent=2).encode()


def _usage(output: int) -> dict[str, Any]:
    return {
        "promptTokenCount": 8,
        "candidatesTokenCount": output,
        "totalTokenCount": 8 + output,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 8}],
    }


@lru_cache
def events() -> tuple[bytes, ...]:
    """The server-sent events of one stream: EVENTS of them, each of EVENT_BYTES but the last, which has the usage."""
    return (*(_event(number) for number in range(EVENTS - 1)), _last_event())


def _event(number: int) -> bytes:
    def written(text: str) -> bytes:
        value = {"candidates": [{"content": {"parts": [{"text": text}], "role": "model"}, "index": 0}]}
        return b"data: " + json.dumps(value).encode() + b"\r\n\r\n"

    return written(letters(f"event {number}", EVENT_BYTES - len(written(""))))


def _last_event() -> bytes:
    content = {"parts": [{"text": letters("event last", 24)}], "role": "model"}
    value = {
        "candidates": [{"content": content, "finishReason": "STOP", "index": 0}],
        "usageMetadata": _usage(1000),
        "modelVersion": MODEL,
    }
    return b"data: " + json.dumps(value).encode() + b"\r\n\r\n"


STAMP: Final = b'"sent":"'
"""Behind it a chunk says in STAMP_DIGITS digits when it was sent, in nanoseconds."""

STAMP_DIGITS: Final = 19


@lru_cache
def stamped_events(count: int) -> tuple[tuple[bytes, bytes], ...]:
    """The chunks of a stream of `count` events of EVENT_BYTES: what stands before and behind the time of each.

    The last one carries the usage, and ends the chunked body.
    """
    mark = b"0" * STAMP_DIGITS

    def written(text: str, more: dict[str, Any]) -> bytes:
        value = {"candidates": [{"content": {"parts": [{"text": text}], "role": "model"}, "index": 0}], **more}
        head = b"data: " + json.dumps(value, separators=(",", ":")).encode()[:-1]
        return head + b"," + STAMP + mark + b'"}\r\n\r\n'

    found: list[tuple[bytes, bytes]] = []
    for number in range(count):
        is_last = number == count - 1
        more: dict[str, Any] = {"usageMetadata": _usage(1000)} if is_last else {}
        event = written(letters(f"paced {number}", max(8, EVENT_BYTES - len(written("", more)))), more)
        chunk = b"%x\r\n%s\r\n" % (len(event), event)
        before, _, after = chunk.partition(mark)
        found.append((before, after + (CHUNKED_END if is_last else b"")))
    return tuple(found)


def setup_message() -> bytes:
    """The first message of a Live client."""
    return json.dumps({"setup": {"model": f"models/{LIVE_MODEL}"}}).encode()


def setup_answer() -> bytes:
    """The simulated provider's answer to it, as long as the message, so that an echo and a relay look alike."""
    size = len(setup_message())
    empty = json.dumps({"setupComplete": {"sessionId": ""}}).encode()
    return empty[:-3] + letters("session", size - len(empty)).encode() + empty[-3:]


@lru_cache
def client_messages(size: int) -> tuple[bytes, ...]:
    """VARIANTS messages of a Live client, `size` bytes each: sound as it comes from a microphone."""
    return tuple(_filled(_MICROPHONE, f"client {size} {number}", size) for number in range(VARIANTS))


@lru_cache
def server_messages(size: int) -> tuple[bytes, ...]:
    """VARIANTS messages of a Live server, `size` bytes each: sound as the model speaks it, the usage in the last."""
    spoken = [_filled(_SPEECH, f"server {size} {number}", size) for number in range(VARIANTS - 1)]
    return (*spoken, _filled(_TURN_END, f"server {size} end", size))


_MICROPHONE: Final = b'{"realtimeInput":{"audio":{"mimeType":"audio/pcm;rate=16000","data":"%s"}}}'
_SPEECH: Final = (
    b'{"serverContent":{"modelTurn":{"parts":[{"inlineData":{"mimeType":"audio/pcm;rate=24000","data":"%s"}}]}}}'
)
_TURN_END: Final = (
    b'{"serverContent":{"turnComplete":true},"usageMetadata":{"promptTokenCount":9,"responseTokenCount":7,'
    b'"totalTokenCount":16},"x":"%s"}'
)


def _filled(form: bytes, seed: str, size: int) -> bytes:
    return form % letters(seed, size - len(form) + len(b"%s")).encode()


def frame(payload: bytes, mask: bytes = b"") -> bytes:
    """One text message as a WebSocket frame (RFC 6455, 5.2), masked if `mask` is given, as clients must."""
    flag = 0x80 if mask else 0
    size = len(payload)
    if size < _SHORT:
        head = bytes((_TEXT_OPCODE, flag | size))
    elif size < _LONG:
        head = bytes((_TEXT_OPCODE, flag | 126)) + size.to_bytes(2, "big")
    else:
        head = bytes((_TEXT_OPCODE, flag | 127)) + size.to_bytes(8, "big")
    return head + mask + (masked(payload, mask) if mask else payload)


def masked(payload: bytes, mask: bytes) -> bytes:
    """The payload under a mask of four bytes; twice gives the payload again (RFC 6455, 5.3)."""
    whole = (mask * (len(payload) // 4 + 1))[: len(payload)]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(whole, "big")).to_bytes(len(payload), "big")


def chunked(pieces: tuple[bytes, ...]) -> Iterator[bytes]:
    """Each piece as a chunk of a chunked body, then its end (RFC 9112, 7.1)."""
    for piece in pieces:
        yield b"%x\r\n%s\r\n" % (len(piece), piece)
    yield CHUNKED_END


CHUNKED_END: Final = b"0\r\n\r\n"


def unchunked(body: bytes) -> bytes:
    """The content of a whole chunked body. Raises ValueError if it is not one."""
    content = bytearray()
    at = 0
    while True:
        line_end = body.index(b"\r\n", at)
        size = int(body[at:line_end], 16)
        at = line_end + 2
        if size == 0:
            return bytes(content)
        content += body[at : at + size]
        if body[at + size : at + size + 2] != b"\r\n":
            raise ValueError("a chunk without its end")
        at += size + 2
