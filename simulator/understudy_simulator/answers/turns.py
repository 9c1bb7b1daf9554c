"""What the simulator says to a generateContent request, candidate by candidate, before it is put into an envelope."""

import json
from base64 import b32encode, b64encode
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from typing import Any, Final
from zlib import crc32

from understudy.scenario.json_subset import camel_case, last_text

from ..audio import speech
from ..catalogue import Model
from .code_runs import code_parts, runs_code
from .formats import image_format, text_format
from .function_calls import Call, calls_for, function_results
from .grounding import (
    TOKENS_OF_PAGE,
    TOKENS_OF_SEARCH,
    grounding_metadata,
    grounds,
    url_context_metadata,
    urls_in,
)
from .lengths import text_of_asked_length
from .markers import finish_reason, without_markers
from .pictures import picture, size_of
from .reading import Members, count_in, member, members_in, strings_in, text_in
from .schema_values import value_for
from .thinking import NO_THINKING, Thinking, signature_of, thinking_of, thought_about
from .tokens import BYTES_PER_TOKEN, SPOKEN_TOKENS_PER_SECOND, tokens_of_text

Part = dict[str, Any]

_EXCERPT: Final = 400
_MOST_CANDIDATES: Final = 8
_LONGEST_SPEECH: Final = 1200
_NOTE: Final = "This answer comes from the simulator, not from a model."
_SPEECH_TYPE: Final = "audio/L16;codec=pcm;rate=24000"
_CHARACTERS_PER_SECOND: Final = 15
_SILENT_ENDS: Final = frozenset({"STOP", "MAX_TOKENS", "CONTINUATION", "FINISH_REASON_UNSPECIFIED"})
"""Ends by which an answer keeps its content; all others leave none (assumed from public reports)."""


@dataclass(frozen=True, slots=True)
class Said:
    """What is answered: text, or function calls; why it ended."""

    text: str = ""
    calls: tuple[Call, ...] = ()
    finish_reason: str = "STOP"

    @property
    def call(self) -> Call | None:
        """The first call, or None."""
        return self.calls[0] if self.calls else None


@dataclass(frozen=True, slots=True)
class Turn:
    """One candidate: its parts, why it ended, and what it carries beside them."""

    parts: tuple[Part, ...]
    finish_reason: str = "STOP"
    has_calls: bool = False
    extras: Members = field(default_factory=dict[str, Any])
    """Members of the candidate like `groundingMetadata`, of its last chunk in a stream."""


@dataclass(frozen=True, slots=True)
class Reply:
    """All candidates, and the tokens that are not in their parts."""

    turns: tuple[Turn, ...]
    thought_tokens: int = 0
    tool_tokens: int = 0
    image_tokens: int = 1290


@dataclass(frozen=True, slots=True)
class _Wish:
    """What `generationConfig` and the tools ask for, the prompt's markers taken out."""

    body: Any
    config: Any
    prompt: str
    model: Model | None
    tools: frozenset[str]
    thinking: Thinking
    seed: object
    call_id: str
    is_vertex: bool


def said_to(body: Any, seed: object = 0) -> Said:
    """What is said in words or calls to a request; the same request and seed always get the same."""
    calls = calls_for(body, seed)
    if calls:
        return Said(calls=calls)
    text, reason = _cut(_text(body, without_markers(last_text(body) or ""), seed, 0), member(body, "generationConfig"))
    return Said(text, finish_reason=reason)


_PLAIN_SETTINGS: Final = frozenset(
    {
        *("temperature", "topP", "topK", "maxOutputTokens", "presencePenalty", "frequencyPenalty"),
        *("top_p", "top_k", "max_output_tokens", "presence_penalty", "frequency_penalty"),
    }
)
"""Settings of generationConfig that ask for no other way of answering."""


def reply_to(body: Any, prompt: str, model: Model | None, seed: object, call_id: str, is_vertex: bool) -> Reply:
    """The candidates that answer a request with the last text `prompt` to `model` (None: one of the user's own)."""
    config = member(body, "generationConfig")
    tools = _tools(body)
    is_plain = not tools and (model is None or model.kind == "text") and "[[" not in prompt
    if is_plain and (not config or (config.__class__ is dict and _PLAIN_SETTINGS.issuperset(config))):
        # The measured path: text in, text out, nothing asked for but settings that have no effect, and a limit.
        text, reason = (
            _cut(_text(body, prompt, seed, 0), config, 0, model) if config else (_text(body, prompt, seed, 0), "STOP")
        )
        return Reply((Turn(({"text": text},) if text else (), reason),))
    thinking = thinking_of(config, model is None or model.is_thinking, count_in(config, "maxOutputTokens"))
    wish = _Wish(body, config, without_markers(prompt), model, tools, thinking, seed, call_id, is_vertex)
    count = min(count_in(config, "candidateCount") or 1, _MOST_CANDIDATES)
    turns = tuple(_turn(wish, index) for index in range(count))
    ended = finish_reason(prompt, is_vertex)
    if ended is not None:
        turns = tuple(_ended(turn, ended) for turn in turns)
    return Reply(turns, wish.thinking.tokens * count, _tool_tokens(wish), _image_tokens(wish))


def _tools(body: Any) -> frozenset[str]:
    tools = member(body, "tools")
    if not tools:
        return frozenset()
    return frozenset(camel_case(name) for tool in members_in(body, "tools") for name in tool)


def _turn(wish: _Wish, index: int) -> Turn:
    modalities = {name.upper() for name in strings_in(wish.config, "responseModalities")}
    outputs = wish.model.outputs if wish.model is not None else frozenset[str]()
    if "AUDIO" in modalities or "AUDIO" in outputs:
        return _speech(wish)
    calls = calls_for(wish.body, wish.seed) if "functionDeclarations" in wish.tools else ()
    if calls:
        return Turn(_signed(_thoughts(wish) + _call_parts(calls, wish), wish), has_calls=True)
    limit = count_in(wish.config, "maxOutputTokens")
    if limit is not None and wish.thinking.tokens >= limit:
        # Thoughts count against the limit: nothing is left to say (wire-http 4.4).
        return Turn(_thoughts(wish), "MAX_TOKENS")
    text, reason = _cut(_text(wish.body, wish.prompt, wish.seed, index), wish.config, wish.thinking.tokens, wish.model)
    parts = _thoughts(wish)
    if "codeExecution" in wish.tools and runs_code(wish.prompt):
        parts += tuple(code_parts(wish.prompt))
    if modalities != {"IMAGE"} and text:
        parts += ({"text": text},)
    if "IMAGE" in modalities or ("IMAGE" in outputs and not modalities):
        parts += (_image_part(wish, index),)
    return Turn(_signed(parts, wish), reason, extras=_extras(wish, text))


# ---- words


def _text(body: Any, prompt: str, seed: object, index: int) -> str:
    config = member(body, "generationConfig")
    if config:
        mime_type, schema = text_format(config)
        if mime_type == "text/x.enum" and schema is not None:
            return str(value_for(schema, seed=(seed, prompt, index)))
        if mime_type == "application/json":
            value: Any = {"answer": _reflection(body, prompt, index)}
            if schema is not None:
                value = value_for(schema, seed=(seed, prompt, index))
            return json.dumps(value, ensure_ascii=False)
        seed = (seed, count_in(config, "seed"))
    asked = text_of_asked_length(prompt, (seed, index))
    return _reflection(body, prompt, index) if asked is None or function_results(body) else asked


def _reflection(body: Any, prompt: str, index: int) -> str:
    results = function_results(body)
    if results:
        shown = "; ".join(f"{name} returned {json.dumps(value, ensure_ascii=False)}" for name, value in results)
        return f"I asked, and {shown[:_EXCERPT]}. {_NOTE}"
    text = " ".join(prompt[: 2 * _EXCERPT].split())
    excerpt = text if len(text) <= _EXCERPT and len(prompt) <= 2 * _EXCERPT else text[:_EXCERPT] + "..."
    heard = f'You said: "{excerpt}".' if excerpt else "You said nothing in words."
    again = f"In other words, number {index + 1}. " if index else ""
    return f"{again}{heard} {_NOTE}"


def _cut(text: str, config: Any, thought: int = 0, model: Model | None = None) -> tuple[str, str]:
    """The text up to a stop sequence or to the limit of tokens, and why it ended."""
    for stop in strings_in(config, "stopSequences") if config else ():
        text = text.partition(stop)[0] if stop else text
    most = count_in(config, "maxOutputTokens") if config else None
    if model is not None:
        most = model.output_limit if most is None else min(most, model.output_limit)
    most = None if most is None else most - thought
    if most is not None and tokens_of_text(text) > most:
        kept = text.encode("utf-8", "replace")[: most * BYTES_PER_TOKEN]
        return kept.decode("utf-8", "ignore"), "MAX_TOKENS"
    return text, "STOP"


# ---- parts


def _thoughts(wish: _Wish) -> tuple[Part, ...]:
    return ({"text": thought_about(wish.prompt), "thought": True},) if wish.thinking.is_told else ()


def _call_parts(calls: tuple[Call, ...], wish: _Wish) -> tuple[Part, ...]:
    parts: list[Part] = []
    for number, (name, arguments) in enumerate(calls):
        call: Part = {"name": name, "args": dict(arguments)}
        if wish.model is not None and wish.model.numbers_calls:
            # Newer models number their calls; older ones do not (wire-http 4.3).
            call = {"id": _call_id(wish.call_id, number)} | call
        parts.append({"functionCall": call})
    return tuple(parts)


def _call_id(first: str, number: int) -> str:
    return (
        b32encode(blake2b(f"{first} {number}".encode(), digest_size=5).digest()).decode().lower() if number else first
    )


def _signed(parts: tuple[Part, ...], wish: _Wish) -> tuple[Part, ...]:
    """The parts with a thought signature where one belongs."""
    calls = [at for at, part in enumerate(parts) if "functionCall" in part]
    always = wish.model is not None and wish.model.numbers_calls and bool(calls)
    if wish.thinking is NO_THINKING and not always:
        return parts
    texts = [at for at, part in enumerate(parts) if "text" in part and "thought" not in part]
    place = calls[0] if calls else texts[-1] if texts else None
    if place is None or not (wish.thinking.tokens or always):
        return parts
    signed = parts[place] | {"thoughtSignature": signature_of(wish.seed, wish.prompt)}
    return (*parts[:place], signed, *parts[place + 1 :])


def _speech(wish: _Wish) -> Turn:
    text = " ".join(wish.prompt.split())[:_LONGEST_SPEECH] or "Hello."
    reason = "STOP"
    limit = count_in(wish.config, "maxOutputTokens")
    if limit is not None and (most := limit * _CHARACTERS_PER_SECOND // SPOKEN_TOKENS_PER_SECOND) < len(text):
        text, reason = text[:most], "MAX_TOKENS"
    pcm = speech(text, _voice(member(wish.config, "speechConfig")))
    if not pcm:
        return Turn((), reason)
    return Turn(({"inlineData": {"mimeType": _SPEECH_TYPE, "data": b64encode(pcm).decode()}},), reason)


def _voice(config: Any) -> int:
    """A number for the voice that `speechConfig` names, the first speaker's if there are several; 0 for none."""
    speakers = members_in(member(config, "multiSpeakerVoiceConfig"), "speakerVoiceConfigs")
    voice = member(speakers[0] if speakers else config, "voiceConfig")
    name = text_in(member(voice, "prebuiltVoiceConfig"), "voiceName")
    return crc32(name.encode("utf-8", "replace")) if name else 0


def _image_part(wish: _Wish, index: int) -> Part:
    png = picture(*size_of(*image_format(wish.config)), (wish.seed, wish.prompt, index))
    return {"inlineData": {"mimeType": "image/png", "data": b64encode(png).decode()}}


# ---- what goes beside


def _extras(wish: _Wish, text: str) -> Members:
    extras: dict[str, Any] = {}
    if grounds(wish.tools):
        extras["groundingMetadata"] = grounding_metadata(wish.tools, wish.prompt, text, wish.is_vertex)
    if "urlContext" in wish.tools and (urls := urls_in(wish.prompt)):
        extras["urlContextMetadata"] = url_context_metadata(urls)
    return extras


def _tool_tokens(wish: _Wish) -> int:
    searched = TOKENS_OF_SEARCH if grounds(wish.tools) else 0
    return searched + (TOKENS_OF_PAGE * len(urls_in(wish.prompt)) if "urlContext" in wish.tools else 0)


def _image_tokens(wish: _Wish) -> int:
    if wish.model is None or not wish.model.numbers_calls:
        return 1290
    return 2000 if image_format(wish.config)[1].upper() == "4K" else 1120


def _ended(turn: Turn, reason: str) -> Turn:
    if reason in _SILENT_ENDS:
        return replace(turn, finish_reason=reason)
    return Turn((), reason)
