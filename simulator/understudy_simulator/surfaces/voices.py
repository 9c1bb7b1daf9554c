"""Voices: the prebuilt ones, and those made of a prompt or of recordings (sdk-surface, rows v1 to v4).

Rules of the SDK's types: a prompted voice must be stored; a stored voice gets an id that begins with `voice_` and lives
a year, another a key that begins with `voicekey_`; what is not stored shows none of its descriptive members. Prebuilt
voices: those of https://ai.google.dev/gemini-api/docs/speech-generation.
"""

from base64 import b64encode
from datetime import timedelta
from typing import Any, Final, cast
from urllib.parse import parse_qsl

from ..answers.reading import flag_in, text_in
from ..answers.tokens import tokens_of_text
from ..audio import speech
from ..call import Answer, Call, Json
from ..clock import rfc3339
from ..routing import Route
from ..snake_resources import found_in, full_name, kept_below, page, refusal, remover, route, unknown
from ..store import Resource

COLLECTION: Final = "voices"
_LIFETIME: Final = timedelta(days=365)
_MODEL: Final = "gemini-2.5-flash-preview-tts"
_HIDDEN: Final = frozenset({"id", "replicated", "sample_audio"})
_CATALOGUE: Final = {
    "Zephyr": "Bright",
    "Puck": "Upbeat",
    "Charon": "Informative",
    "Kore": "Firm",
    "Fenrir": "Excitable",
    "Leda": "Youthful",
    "Orus": "Firm",
    "Aoede": "Breezy",
    "Callirrhoe": "Easy-going",
    "Autonoe": "Bright",
    "Enceladus": "Breathy",
    "Iapetus": "Clear",
    "Umbriel": "Easy-going",
    "Algieba": "Smooth",
    "Despina": "Smooth",
    "Erinome": "Clear",
    "Algenib": "Gravelly",
    "Rasalgethi": "Informative",
    "Laomedeia": "Upbeat",
    "Achernar": "Soft",
    "Alnilam": "Firm",
    "Schedar": "Even",
    "Gacrux": "Mature",
    "Pulcherrima": "Forward",
    "Achird": "Friendly",
    "Zubenelgenubi": "Casual",
    "Vindemiatrix": "Gentle",
    "Sadachbia": "Lively",
    "Sadaltager": "Knowledgeable",
    "Sulafat": "Warm",
}
"""The prebuilt voices and how the page describes them."""

_FILTERS: Final = {
    "accent": "accent",
    "context": "context",
    "contexts": "context",
    "gender": "gender",
    "language_code": "language_code",
    "persona": "persona",
    "pitch": "pitch",
    "region_code": "region_code",
    "type": "type",
}
"""Query members that filter a list, and the members of a voice that they compare."""


def create(call: Call) -> Answer:
    """Make a voice."""
    body = call.members
    wish = cast("dict[str, Any]", body["voice"])
    kind, is_stored = text_in(wish, "type"), flag_in(body, "store")
    if kind == "prebuilt":
        return refusal("invalid_request", "Invalid value at 'voice.type': prebuilt voices cannot be created.")
    if kind == "prompted" and not is_stored:
        return refusal("invalid_request", "Invalid value at 'store': it must be true for a prompted voice.")
    if kind == "prompted" and "prompted" not in wish:
        return refusal("invalid_request", "Missing required parameter 'voice.prompted'.")
    ends = rfc3339(call.now + _LIFETIME)
    said = text_in(wish.get("prompted"), "input") or text_in(wish, "display_name") or "voice"
    value: dict[str, Any] = {"type": kind, "model": text_in(wish, "model") or _MODEL, "expire_time": ends}
    tokens = tokens_of_text(said)
    usage = {"total_tokens": tokens, "total_input_tokens": tokens, "total_output_tokens": 0}
    if not is_stored:
        return Json(value | {"key": "voicekey_" + call.identity.urlsafe("voice key", 48), "usage": usage})
    last = "voice_" + call.identity.lower("voice", 12)
    value = {"id": last, **{name: item for name, item in wish.items() if name not in _HIDDEN}, **value}
    sample = b64encode(speech(said[:8])).decode()
    if kind == "prompted":
        value["sample_audio"] = {"data": sample, "mime_type": "audio/l16;rate=24000"}
    call.shelf.put(Resource(full_name(call, COLLECTION, last), value, call.now, call.now + _LIFETIME))
    return Json(value | {"usage": usage})


def list_all(call: Call) -> Answer:
    """One's own voices, then the prebuilt ones, as far as they pass the filters."""
    wanted: dict[str, set[str]] = {}
    for name, value in parse_qsl(call.request.query):
        if name in _FILTERS:
            wanted.setdefault(_FILTERS[name], set()).add(value.lower())
    search = call.query.get("search", "").lower()
    voices = (*call.shelf.of(kept_below(call, COLLECTION)), *_prebuilt(call))
    return page(call, [voice for voice in voices if _passes(voice, wanted, search)], COLLECTION)


def get(call: Call) -> Answer:
    """One voice, one's own or a prebuilt one."""
    last = call.names["voice"]
    found = found_in(call, COLLECTION, last)
    if found is None:
        found = next((voice for voice in _prebuilt(call) if voice.value["id"] == last), None)
    return unknown("Voice", last) if found is None else Json(found.value)


def _prebuilt(call: Call) -> list[Resource]:
    return [
        Resource(
            full_name(call, COLLECTION, name),
            {"type": "prebuilt", "id": name, "display_name": name, "description": description},
            call.now,
        )
        for name, description in _CATALOGUE.items()
    ]


def _passes(voice: Resource, wanted: dict[str, set[str]], search: str) -> bool:
    texts = [str(voice.value.get(name, "")).lower() for name in ("display_name", "description")]
    if not any(search in text for text in texts):
        return False
    return all(str(voice.value.get(name, "")).lower() in values for name, values in wanted.items())


ROUTES: Final[tuple[Route, ...]] = (
    route("POST", "voices", "CreateVoice", create),
    Route("GET", "voices", list_all),
    Route("GET", "voices/{voice}", get),
    Route("DELETE", "voices/{voice}", remover(COLLECTION, "Voice", "voice")),
)
