"""What clients say on Live sessions, read in both spellings and checked against Google's descriptions. Pure.

Shapes: wire-live 3. What a client sends is never trusted: a reader gives a value or the refusal that the service sends.
"""

from binascii import Error as Base64Error
from binascii import a2b_base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, cast

from understudy.scenario.json_subset import LazyJson, camel_case
from understudy.surfaces import Place

from ..answers.reading import Members, flag_in, member, members_in, text_in
from ..validation.loading import descriptions
from ..validation.reading import request_error
from .refusals import INVALID_ARGUMENT, Refusal, bad_base64, malformed_message, refusal_of
from .setup import Setup, read_setup

_KINDS: Final = frozenset({"setup", "clientContent", "realtimeInput", "toolResponse", "contextUpdate"})
_TO_STANDARD: Final = bytes.maketrans(b"-_", b"+/")
_DESCRIBED: Final = "BidiGenerateContentClientMessage"

Scheduling = Literal["INTERRUPT", "WHEN_IDLE", "SILENT"]


@dataclass(frozen=True, slots=True)
class ClientContent:
    """`clientContent`: turns that are added to the conversation; `is_complete` asks for an answer."""

    turns: tuple[Members, ...]
    is_complete: bool


@dataclass(frozen=True, slots=True)
class Blob:
    """Media: decoded bytes and their type."""

    data: bytes
    mime_type: str


@dataclass(frozen=True, slots=True)
class RealtimeInput:
    """`realtimeInput`: what of it is there. `is_old_style`: the media came as `mediaChunks`."""

    media: tuple[Blob, ...] = ()
    text: str | None = None
    activity_start: bool = False
    activity_end: bool = False
    audio_stream_end: bool = False
    is_old_style: bool = False


@dataclass(frozen=True, slots=True)
class FunctionResponse:
    """One answer to a function call; clients on Vertex may leave the id out (wire-live 3.4).

    `will_continue`: more answers to the same call will follow.
    """

    id: str | None
    name: str | None
    response: Any
    scheduling: Scheduling = "WHEN_IDLE"
    will_continue: bool = False


@dataclass(frozen=True, slots=True)
class ToolResponse:
    """`toolResponse`: answers to function calls."""

    responses: tuple[FunctionResponse, ...]


@dataclass(frozen=True, slots=True)
class ContextUpdate:
    """`contextUpdate`: new instruction or tools in the middle of a session."""

    members: Members


ClientMessage = Setup | ClientContent | RealtimeInput | ToolResponse | ContextUpdate


def read_message(message: LazyJson, place: Place, *, takes_any: bool = False) -> ClientMessage | Refusal:
    """What a client said at a Live place, or the refusal that it earns.

    Refused are: no JSON, not exactly one member, what does not fit the description of the service and version; the
    last is let pass with `takes_any`.
    """
    value = message.value
    if isinstance(value, Mapping):
        members = cast("Members", value)
        if len(members) != 1 and _KINDS.issuperset(map(camel_case, members)):
            return INVALID_ARGUMENT
    if not takes_any:
        service = "vertex" if place.surface.is_vertex else "gemini"
        error = request_error(descriptions(service, place.version), _DESCRIBED, message)
        if error is not None:
            return refusal_of(error)
    if not isinstance(value, Mapping):
        return malformed_message(message.raw)
    kind, content = next(iter(cast("Members", value).items()))
    kind = camel_case(kind)
    if kind not in _KINDS or not isinstance(content, Mapping):
        return INVALID_ARGUMENT
    return _read(kind, cast("Members", content))


def _read(kind: str, content: Members) -> ClientMessage | Refusal:
    match kind:
        case "setup":
            return read_setup(content)
        case "clientContent":
            return _client_content(content)
        case "realtimeInput":
            return _realtime_input(content)
        case "toolResponse":
            return _tool_response(content)
        case _:
            return ContextUpdate(content)


def setup_model(message: LazyJson) -> str | None:
    """The model that a setup message names; None if it is no setup message or names none."""
    return text_in(member(message.value, "setup"), "model")


def _client_content(content: Members) -> ClientContent | Refusal:
    turns = member(content, "turns")
    entries = cast("list[Any]", turns) if isinstance(turns, list) else [] if turns is None else [turns]
    if not all(isinstance(entry, Mapping) for entry in entries):
        return INVALID_ARGUMENT
    return ClientContent(tuple(cast("list[Members]", entries)), flag_in(content, "turnComplete"))


def _realtime_input(content: Members) -> RealtimeInput | Refusal:
    # Of `mediaChunks` only the first counts (wire-live 3.3).
    old = members_in(content, "mediaChunks")[:1]
    entries = [("media_chunks[0]", entry) for entry in old]
    entries += [(name, entry) for name in ("audio", "video") for entry in members_in(content, name)]
    media: list[Blob] = []
    for path, entry in entries:
        data = decoded_base64(text_in(entry, "data") or "")
        if data is None:
            return bad_base64(f"realtime_input.{path}.data")
        usual = "image/jpeg" if path == "video" else "audio/pcm"
        media.append(Blob(data, text_in(entry, "mimeType") or usual))
    return RealtimeInput(
        tuple(media),
        text_in(content, "text"),
        activity_start=member(content, "activityStart") is not None,
        activity_end=member(content, "activityEnd") is not None,
        audio_stream_end=flag_in(content, "audioStreamEnd"),
        is_old_style=bool(old),
    )


def _tool_response(content: Members) -> ToolResponse | Refusal:
    entries = members_in(content, "functionResponses")
    if not entries:
        return INVALID_ARGUMENT
    return ToolResponse(tuple(map(_function_response, entries)))


def _function_response(entry: Members) -> FunctionResponse:
    wanted = (text_in(entry, "scheduling") or "").upper()
    return FunctionResponse(
        text_in(entry, "id"),
        text_in(entry, "name"),
        member(entry, "response"),
        "INTERRUPT" if wanted == "INTERRUPT" else "SILENT" if wanted == "SILENT" else "WHEN_IDLE",
        flag_in(entry, "willContinue"),
    )


def decoded_base64(text: str) -> bytes | None:
    """The bytes; either alphabet, with padding or without (wire-live 0.4). None if it is not base64."""
    if not text.isascii():
        return None
    digits = text.encode().rstrip(b"=").translate(_TO_STANDARD)
    try:
        return a2b_base64(digits + b"=" * (-len(digits) % 4), strict_mode=True)
    except Base64Error:
        return None
