"""Messages of the service on Live sessions, built for each service (wire-live 4). Pure.

Audio frames are put together from bytes: they are most of what a session sends.
"""

import json
from binascii import b2a_base64
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

from ..answers.tokens import Counts, details_of
from ..audio import OUTPUT_RATE_HZ, Piece, piece_pcm
from .settings import Traffic

_AUDIO_HEAD: Final = (
    b'{"serverContent":{"modelTurn":{"role":"model","parts":[{"inlineData":{"mimeType":"audio/pcm;rate='
    + str(OUTPUT_RATE_HZ).encode()
    + b'","data":"'
)
_AUDIO_TAIL: Final = b'"}}]}}}'
_CONTENT_HEAD: Final = b'{"serverContent":{'
_CONTENT_TAIL: Final = b"}}"
_TRAFFIC: Final[Mapping[Traffic, tuple[str | None, str | None]]] = {
    "usual": (None, "ON_DEMAND"),
    "on-demand": ("standard", "ON_DEMAND"),
    "flex": ("flex", "ON_DEMAND_FLEX"),
    "priority": ("priority", "ON_DEMAND_PRIORITY"),
    "provisioned": (None, "PROVISIONED_THROUGHPUT"),
}
"""How a turn was served, as `serviceTier` of the Gemini API and as `trafficType` of Vertex AI."""

_SHORT_BYTES: Final = 2048
"""Messages of speech up to this size are kept: those of 20 ms, and of the 40 ms that the Gemini API sends."""


def setup_complete(session_id: str | None, consent: str | None = None) -> bytes:
    """The answer to `setup`; Vertex gives a session id. `consent`: the signature of a consent that was checked."""
    complete: dict[str, Any] = {} if session_id is None else {"sessionId": session_id}
    if consent is not None:
        complete["voiceConsentSignature"] = {"signature": consent}
    return _message({"setupComplete": complete})


def model_text(text: str) -> bytes:
    """A piece of the answer as text."""
    return _model_part({"text": text})


def model_thought(text: str) -> bytes:
    """A piece of what the model thinks, told because `includeThoughts` asks for it."""
    return _model_part({"text": text, "thought": True})


def model_audio(pcm: bytes) -> bytes:
    """A piece of the answer as audio, standard base64."""
    return b"".join((_AUDIO_HEAD, b2a_base64(pcm, newline=False), _AUDIO_TAIL))


def model_speech(piece: Piece) -> bytes:
    """The same of the simulator's voice. Of short pieces, which are much alike, equal ones are one object."""
    return _kept_speech(piece) if piece[2] - piece[1] <= _SHORT_BYTES else model_audio(piece_pcm(piece))


@lru_cache(maxsize=1024)
def _kept_speech(piece: Piece) -> bytes:
    return model_audio(piece_pcm(piece))


def transcription(
    name: str,
    text: str,
    *,
    language: str | None = None,
    speaker: str | None = None,
    span: tuple[float, float] | None = None,
    words: Sequence[tuple[str, float, float]] = (),
) -> bytes:
    """What audio says, as the member of that name; `span` and `words` tell from which second to which."""
    written: dict[str, Any] = {"text": text}
    if language is not None:
        written["languageCode"] = language
    if speaker is not None:
        written["speakerLabel"] = speaker
    if words:
        written["words"] = [{"word": word} | _offsets(began, ended) for word, began, ended in words]
    return _content({name: written | (_offsets(*span) if span is not None else {})})


def _offsets(began_s: float, ended_s: float) -> dict[str, str]:
    return {"startOffset": _duration(began_s), "endOffset": _duration(ended_s)}


def transcription_finished(name: str) -> bytes:
    """The transcription of that name (`inputTranscription`, `outputTranscription`) is whole."""
    return _content({name: {"finished": True}})


def model_code(part: Mapping[str, Any]) -> bytes:
    """Code that the model runs, or what came of it."""
    return _model_part(part)


def generation_complete() -> bytes:
    """The answer is whole."""
    return _content({"generationComplete": True})


def waiting_for_input() -> bytes:
    """The model expects the user to go on."""
    return _content({"waitingForInput": True})


def interrupted() -> bytes:
    """The answer was broken off by new input."""
    return _content({"interrupted": True})


def turn_complete(
    usage: Mapping[str, Any] | None, extras: Mapping[str, Any] | None = None, *, also_generation: bool = False
) -> bytes:
    """The end of a turn; its usage stands on the same frame (wire-live 0.11), `extras` inside `serverContent`."""
    content: dict[str, Any] = {"generationComplete": True} if also_generation else {}
    content |= {"turnComplete": True, **(extras or {})}
    return _message({"serverContent": content} | ({} if usage is None else {"usageMetadata": usage}))


def is_content(message: bytes) -> bool:
    """Whether it is `serverContent`."""
    return message.startswith(_CONTENT_HEAD)


def with_end(said: bytes, end: bytes) -> bytes:
    """One message of two: `serverContent` that says something, and that of the end of its turn."""
    return said.removesuffix(_CONTENT_TAIL) + b"," + end.removeprefix(_CONTENT_HEAD)


def usage_alone(usage: Mapping[str, Any]) -> bytes:
    """Usage in a frame of its own."""
    return _message({"usageMetadata": usage})


def tool_call(calls: Sequence[tuple[str, str, Mapping[str, Any]]], usage: Mapping[str, Any] | None = None) -> bytes:
    """Function calls: id, name and arguments of each; the usage beside them, if it is told there."""
    entries = [{"id": call_id, "name": name, "args": dict(args)} for call_id, name, args in calls]
    return _message({"toolCall": {"functionCalls": entries}} | ({} if usage is None else {"usageMetadata": usage}))


def tool_call_cancellation(ids: Sequence[str]) -> bytes:
    """Calls that need no answer any more, because the user interrupted."""
    return _message({"toolCallCancellation": {"ids": list(ids)}})


def go_away(time_left_s: float) -> bytes:
    """The connection ends soon."""
    return _message({"goAway": {"timeLeft": _duration(time_left_s)}})


def resumption_update(handle: str | None, consumed: int | None) -> bytes:
    """A handle that is good from now on; None: the session cannot be resumed at this moment.

    `consumed` is the index of the last client message that the handle covers, told where resumption is transparent.
    """
    update: dict[str, Any] = {} if handle is None else {"newHandle": handle, "resumable": True}
    if consumed is not None:
        update["lastConsumedClientMessageIndex"] = str(consumed)
    return _message({"sessionResumptionUpdate": update})


def voice_activity(kind: str, at_s: float) -> bytes:
    """Speech began (`ACTIVITY_START`) or ended (`ACTIVITY_END`) at that second of the client's audio."""
    return _message({"voiceActivity": {"type": kind, "audioOffset": _duration(at_s)}})


def detection_signal(kind: str) -> bytes:
    """The start (`SOS`) or end (`EOS`) of speech."""
    return _message({"voiceActivityDetectionSignal": {"vadSignalType": f"VAD_SIGNAL_TYPE_{kind}"}})


def music_chunk(data: str, rate_hz: int) -> bytes:
    """A piece of music: base64 of PCM16, stereo. (That the type is written so is assumed.)"""
    chunk = {"data": data, "mimeType": f"audio/l16;rate={rate_hz};channels=2"}
    return _content({"audioChunks": [chunk]})


def filtered_prompt(text: str, reason: str) -> bytes:
    """A prompt of a music session was left out."""
    return _message({"filteredPrompt": {"text": text, "filteredReason": reason}})


def usage_metadata(
    prompt: Counts,
    response: Counts,
    is_vertex: bool,
    *,
    thoughts: int = 0,
    tool_use: int = 0,
    cached: Counts | None = None,
    traffic: Traffic = "usual",
    omits: bool = False,
) -> dict[str, Any]:
    """`usageMetadata` of one turn in the names of the service (wire-live 4).

    Thoughts stand outside the total on the Gemini API (pricing 8). `cached` is the part of
    the prompt that was cached. `omits`: a single entry of details has no count.
    """
    asked, said = sum(prompt.values()), sum(response.values())
    side = "candidates" if is_vertex else "response"
    usage: dict[str, Any] = {"promptTokenCount": asked}
    kept = sum((cached or {}).values())
    if kept:
        usage["cachedContentTokenCount"] = kept
    if said:
        usage[f"{side}TokenCount"] = said
    if tool_use:
        usage["toolUsePromptTokenCount"] = tool_use
    if thoughts:
        usage["thoughtsTokenCount"] = thoughts
    usage["totalTokenCount"] = asked + said + tool_use + (thoughts if is_vertex else 0)
    served = _TRAFFIC[traffic][is_vertex]
    if served is not None:
        usage["trafficType" if is_vertex else "serviceTier"] = served
    usage["promptTokensDetails"] = _details(prompt, omits)
    if kept:
        usage["cacheTokensDetails"] = _details(cached or {}, omits)
    if said:
        usage[f"{side}TokensDetails"] = _details(response, omits)
    if tool_use:
        usage["toolUsePromptTokensDetails"] = [{"modality": "TEXT", "tokenCount": tool_use}]
    return usage


def _details(counts: Counts, omits: bool) -> list[dict[str, Any]]:
    details = details_of(counts)
    return [{"modality": details[0]["modality"]}] if omits and len(details) == 1 else details


def _duration(seconds: float) -> str:
    """A proto Duration in JSON: no more digits than it needs, at most three."""
    return f"{seconds:.3f}".rstrip("0").rstrip(".") + "s"


def _model_part(part: Mapping[str, Any]) -> bytes:
    return _content({"modelTurn": {"role": "model", "parts": [part]}})


def _content(content: Mapping[str, Any]) -> bytes:
    return _message({"serverContent": content})


def _message(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
