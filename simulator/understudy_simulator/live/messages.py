"""Messages of Live sessions: client messages read in both spellings, server messages built for each service. Pure.

Shapes: wire-live 3 (client), 4 (server, usageMetadata). What a client sends is never trusted: every reader gives a
value or the refusal that the service would send.
"""

import json
from base64 import b64encode, urlsafe_b64decode
from binascii import Error as Base64Error
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

from understudy.scenario.json_subset import LazyJson, camel_case

from ..answers.reading import Members, member, members_in, strings_in, text_in
from ..answers.tokens import Counts, details_of
from ..audio import OUTPUT_RATE_HZ
from .refusals import INVALID_ARGUMENT, Refusal, bad_base64, malformed_message, unknown_field

_KINDS: Final = ("setup", "clientContent", "realtimeInput", "toolResponse", "contextUpdate")


# ---- what clients say


@dataclass(frozen=True, slots=True)
class Setup:
    """`setup`: the model as the client names it, the modalities it asks for (AUDIO if it names none), switches.

    `members` is the whole object. `is_manual`: the client marks activity itself; `keeps_talking`: input does not
    interrupt; `takes_history`: the first content is history, not a question.
    """

    model: str
    modalities: tuple[str, ...]
    members: Members
    has_voice: bool = False
    is_manual: bool = False
    keeps_talking: bool = False
    takes_history: bool = False
    transcribes_input: bool = False
    transcribes_output: bool = False


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
    """One answer to a function call; clients on Vertex may leave the id out (wire-live 3.4)."""

    id: str | None
    name: str | None
    response: Any


@dataclass(frozen=True, slots=True)
class ToolResponse:
    """`toolResponse`: answers to function calls."""

    responses: tuple[FunctionResponse, ...]


@dataclass(frozen=True, slots=True)
class ContextUpdate:
    """`contextUpdate`: new instruction or tools in the middle of a session."""

    members: Members


ClientMessage = Setup | ClientContent | RealtimeInput | ToolResponse | ContextUpdate


def read_message(message: LazyJson) -> ClientMessage | Refusal:
    """What a client said, or the refusal that it earns: no JSON object, not exactly one member, a member unknown."""
    value = message.value
    if not isinstance(value, Mapping):
        return malformed_message(message.raw)
    members = cast("Members", value)
    kinds = [camel_case(name) for name in members]
    stranger = next((name for name, kind in zip(members, kinds, strict=True) if kind not in _KINDS), None)
    if stranger is not None:
        return unknown_field(stranger[:60])
    if len(kinds) != 1:
        return INVALID_ARGUMENT
    content = next(iter(members.values()))
    if not isinstance(content, Mapping):
        return INVALID_ARGUMENT
    return _read(kinds[0], cast("Members", content))


def _read(kind: str, content: Members) -> ClientMessage | Refusal:
    match kind:
        case "setup":
            return _setup(content)
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


def _setup(content: Members) -> Setup | Refusal:
    model = text_in(content, "model")
    config = member(content, "generationConfig")
    modalities = tuple(dict.fromkeys(name.upper() for name in strings_in(config, "responseModalities")))
    if not model or len(modalities) > 1:
        return INVALID_ARGUMENT
    realtime = member(content, "realtimeInputConfig")
    return Setup(
        model,
        modalities or ("AUDIO",),
        content,
        has_voice=member(config, "speechConfig") is not None,
        is_manual=member(member(realtime, "automaticActivityDetection"), "disabled") is True,
        keeps_talking=text_in(realtime, "activityHandling") == "NO_INTERRUPTION",
        takes_history=member(member(content, "historyConfig"), "initialHistoryInClientContent") is True,
        # Presence is the switch: `{}` counts (wire-live 3.1).
        transcribes_input=member(content, "inputAudioTranscription") is not None,
        transcribes_output=member(content, "outputAudioTranscription") is not None,
    )


def _client_content(content: Members) -> ClientContent | Refusal:
    turns = member(content, "turns")
    entries = cast("list[Any]", turns) if isinstance(turns, list) else [] if turns is None else [turns]
    if not all(isinstance(entry, Mapping) for entry in entries):
        return INVALID_ARGUMENT
    return ClientContent(tuple(cast("list[Members]", entries)), member(content, "turnComplete") is True)


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
        audio_stream_end=member(content, "audioStreamEnd") is True,
        is_old_style=bool(old),
    )


def _tool_response(content: Members) -> ToolResponse | Refusal:
    entries = members_in(content, "functionResponses")
    if not entries:
        return INVALID_ARGUMENT
    return ToolResponse(
        tuple(
            FunctionResponse(text_in(entry, "id"), text_in(entry, "name"), member(entry, "response"))
            for entry in entries
        )
    )


def decoded_base64(text: str) -> bytes | None:
    """The bytes; either alphabet, with padding or without (wire-live 0.4). None if it is not base64."""
    plain = text.rstrip("=").replace("+", "-").replace("/", "_")
    if not all(char.isascii() and (char.isalnum() or char in "-_") for char in plain):
        return None
    try:
        return urlsafe_b64decode(plain + "=" * (-len(plain) % 4))
    except Base64Error:
        return None


# ---- what the service says


def setup_complete(session_id: str | None) -> bytes:
    """The answer to `setup`; Vertex gives a session id."""
    return _message({"setupComplete": {} if session_id is None else {"sessionId": session_id}})


def model_text(text: str) -> bytes:
    """A piece of the answer as text."""
    return _model_part({"text": text})


def model_audio(pcm: bytes) -> bytes:
    """A piece of the answer as audio, standard base64."""
    mime_type = f"audio/pcm;rate={OUTPUT_RATE_HZ}"
    return _model_part({"inlineData": {"mimeType": mime_type, "data": b64encode(pcm).decode("ascii")}})


def output_transcription(text: str) -> bytes:
    """What the audio beside it says."""
    return _content({"outputTranscription": {"text": text}})


def input_transcription(text: str) -> bytes:
    """What the client's audio said."""
    return _content({"inputTranscription": {"text": text}})


def generation_complete() -> bytes:
    """The answer is whole."""
    return _content({"generationComplete": True})


def interrupted() -> bytes:
    """The answer was broken off by new input."""
    return _content({"interrupted": True})


def turn_complete(usage: Mapping[str, Any]) -> bytes:
    """The end of a turn; its usage stands on the same frame (wire-live 0.11)."""
    return _message({"serverContent": {"turnComplete": True}, "usageMetadata": usage})


def tool_call(calls: Sequence[tuple[str, str, Mapping[str, Any]]]) -> bytes:
    """Function calls: id, name and arguments of each."""
    entries = [{"id": call_id, "name": name, "args": dict(args)} for call_id, name, args in calls]
    return _message({"toolCall": {"functionCalls": entries}})


def usage_metadata(prompt: Counts, response: Counts, is_vertex: bool) -> dict[str, Any]:
    """`usageMetadata` of one turn in the names of the service (wire-live 4)."""
    asked, said = sum(prompt.values()), sum(response.values())
    side = "candidates" if is_vertex else "response"
    usage: dict[str, Any] = {"promptTokenCount": asked}
    if said:
        usage[f"{side}TokenCount"] = said
    usage["totalTokenCount"] = asked + said
    if is_vertex:
        usage["trafficType"] = "ON_DEMAND"
    usage["promptTokensDetails"] = details_of(prompt)
    if said:
        usage[f"{side}TokensDetails"] = details_of(response)
    return usage


def _model_part(part: Mapping[str, Any]) -> bytes:
    return _content({"modelTurn": {"role": "model", "parts": [part]}})


def _content(content: Mapping[str, Any]) -> bytes:
    return _message({"serverContent": content})


def _message(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
