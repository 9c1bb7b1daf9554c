"""The grid: answers of many models and kinds, each with all that a calculator may want to know of it."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, Final

from understudy.price_books import price_book
from understudy.pricing.batches import cost_of_batch
from understudy.pricing.book import PriceBook
from understudy.pricing.cost import Cost
from understudy.pricing.explain import BATCH, LIVE_METHOD, explain
from understudy.usage.resources import batch_lines

DAY: Final = date(2026, 11, 1)
Json = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """One answer. `usage` names what is in it; `frames` are the messages of a Live session, `body` any other answer."""

    provider: str
    model: str
    usage: str
    kind: str = "generateContent"
    body: Mapping[str, Any] | None = None
    frames: tuple[Json, ...] = ()
    request: Mapping[str, Any] | None = None
    tier: str | None = None
    location: str | None = None
    day: date = DAY

    @property
    def id(self) -> str:
        place = "" if self.location in (None, "global") else f"@{self.location}"
        return f"{self.provider}/{self.model}{place}: {self.usage}"

    def as_json(self) -> Json:
        """The case for a calculator's program."""
        return {
            "id": self.id,
            "provider": self.provider,
            "model": self.model,
            "kind": self.kind,
            "body": self.body,
            "frames": self.frames,
            "request": self.request,
            "tier": self.tier,
            "location": self.location,
            "day": self.day.isoformat(),
        }


def our_cost(book: PriceBook, case: Case) -> Cost:
    """What our engine says, fed with the bytes of the wire."""
    words: dict[str, Any] = {"date": case.day, "location": case.location}
    if case.kind == BATCH:
        batch = batch_lines(json.dumps({"response": case.body}).encode()).batch
        assert batch is not None
        return cost_of_batch(book, case.provider, case.model, batch, **words)
    if case.kind == LIVE_METHOD:
        setup = {"setup": {"model": f"models/{case.model}"}}
        body = b"\n".join(json.dumps(frame).encode() for frame in (setup, *case.frames))
        return explain(book, case.provider, case.model, LIVE_METHOD, body, "application/json", **words)
    return explain(
        book,
        case.provider,
        case.model,
        case.kind,
        json.dumps(case.body).encode(),
        "application/json",
        request=None if case.request is None else json.dumps(case.request).encode(),
        served_tier=case.tier,
        **words,
    )


def our_costs() -> dict[str, Decimal | None]:
    """Our figure for every case, by its id; None where it is unknown."""
    book = price_book("shipped")
    return {case.id: our_cost(book, case).total for case in cases()}


def details(**counts: int) -> list[Json]:
    return [{"modality": name, "tokenCount": count} for name, count in counts.items()]


def tokens(prompt: int, answer: int, thoughts: int = 0, tools: int = 0, **more: Any) -> Json:
    """A usageMetadata whose total is that of generateContent: P + C + T + U."""
    extra = {"thoughtsTokenCount": thoughts} if thoughts else {}
    extra |= {"toolUsePromptTokenCount": tools} if tools else {}
    return {
        "promptTokenCount": prompt,
        "candidatesTokenCount": answer,
        **extra,
        "totalTokenCount": prompt + answer + thoughts + tools,
        **more,
    }


def answer_of(model: str, usage: Json, **candidate: Any) -> Json:
    said = {"role": "model", "parts": [{"text": "Good day."}]}
    candidates = [{"content": said, "finishReason": "STOP", "index": 0, **candidate}]
    return {"candidates": candidates, "usageMetadata": usage, "modelVersion": model, "responseId": "r"}


def cases() -> tuple[Case, ...]:
    """All of them; no two have the same id."""
    found = (*_generated(), *_media(), *_live(), *_embedded(), *_predicted(), *_partners(), *_every_model())
    assert len({case.id for case in found}) == len(found)
    return found


# ---- generateContent

_TEXT_MODELS: Final = (
    *(("gemini", name) for name in ("gemini-2.5-pro", "gemini-2.5-flash", "gemini-2.5-flash-lite")),
    *(("gemini", name) for name in ("gemini-3.1-pro-preview", "gemini-3.8-flash")),
    *(("vertex_ai", name) for name in ("gemini-2.5-pro", "gemini-2.5-flash", "gemini-2.5-flash-lite")),
    *(("vertex_ai", name) for name in ("gemini-3.1-pro-preview", "gemini-3.8-flash")),
)

_MIXED: Final = tokens(1000, 200, promptTokensDetails=details(TEXT=400, AUDIO=600))

USAGES: Final[Mapping[str, Json]] = {
    "text": tokens(1000, 200),
    "text, with details": tokens(
        1000, 200, promptTokensDetails=details(TEXT=1000), candidatesTokensDetails=details(TEXT=200)
    ),
    "thinking": tokens(1000, 200, thoughts=500, promptTokensDetails=details(TEXT=1000)),
    "thinking inside the answer's count": {**tokens(1000, 700), "thoughtsTokenCount": 500},
    "cached, without details": tokens(1000, 200, cachedContentTokenCount=800),
    "cached, with details": tokens(
        *(1000, 200),
        cachedContentTokenCount=800,
        promptTokensDetails=details(TEXT=1000),
        cacheTokensDetails=details(TEXT=800),
    ),
    "cached audio": tokens(
        *(1000, 200),
        cachedContentTokenCount=500,
        promptTokensDetails=details(TEXT=400, AUDIO=600),
        cacheTokensDetails=details(AUDIO=500),
    ),
    "cached text and audio, without details of the cache": tokens(
        1000, 200, cachedContentTokenCount=500, promptTokensDetails=details(TEXT=400, AUDIO=600)
    ),
    "audio in the prompt": _MIXED,
    "picture and film in the prompt": tokens(1000, 200, promptTokensDetails=details(TEXT=100, IMAGE=258, VIDEO=642)),
    "a document in the prompt": tokens(1000, 200, promptTokensDetails=details(TEXT=100, DOCUMENT=900)),
    "a modality told twice": tokens(1000, 200, promptTokensDetails=[*details(AUDIO=300), *details(AUDIO=700)]),
    "details that leave a part of the prompt over": tokens(1000, 200, promptTokensDetails=details(AUDIO=600)),
    "a detail without its count": tokens(
        1000, 200, promptTokensDetails=[{"modality": "TEXT", "tokenCount": 400}, {"modality": "AUDIO"}]
    ),
    "tool results": tokens(1000, 200, tools=300),
    "tool results, by modality": tokens(1000, 200, tools=300, toolUsePromptTokensDetails=details(TEXT=100, AUDIO=200)),
    "long, 250000 tokens": tokens(250_000, 200),
    "200000 tokens": tokens(200_000, 200),
    "long, cached": tokens(250_000, 200, cachedContentTokenCount=240_000),
    "long, thinking": tokens(250_000, 200, thoughts=500),
}

TIERED: Final[Mapping[str, Json]] = {
    "": tokens(1000, 200),
    ", audio": _MIXED,
    ", cached": tokens(1000, 200, cachedContentTokenCount=800),
    ", thinking": tokens(1000, 200, thoughts=500),
    ", long": tokens(250_000, 200),
}

_CHUNK: Final = {"web": {"uri": "https://example.com", "title": "example.com"}}
_PLACE: Final = {"maps": {"uri": "https://maps.google.com/?cid=1", "title": "A place"}}
GROUNDED: Final[Mapping[str, Json]] = {
    "search, one query": {"webSearchQueries": ["a"], "groundingChunks": [_CHUNK]},
    "search, two queries": {"webSearchQueries": ["a", "b"], "groundingChunks": [_CHUNK]},
    "search, a query told twice": {"webSearchQueries": ["a", "a"], "groundingChunks": [_CHUNK]},
    "maps": {"webSearchQueries": ["a"], "groundingChunks": [_PLACE]},
    "pages read by URL context": {"groundingChunks": [_CHUNK]},
}


def _generated() -> Iterator[Case]:
    for provider, model in _TEXT_MODELS:
        for name, usage in USAGES.items():
            yield Case(provider, model, name, body=answer_of(model, usage), **_place(provider))
        for tier in ("flex", "priority"):
            for name, usage in TIERED.items():
                yield _at_tier(provider, model, tier, f"{tier}{name}", usage)
        for name, usage in TIERED.items():
            yield Case(provider, model, f"batch{name}", "batch", answer_of(model, usage), **_place(provider))
        for name, found in GROUNDED.items():
            body = answer_of(model, tokens(1000, 200), groundingMetadata=found)
            yield Case(provider, model, name, body=body, **_place(provider))
        searched = answer_of(model, tokens(1000, 200, tools=300), groundingMetadata=GROUNDED["search, one query"])
        yield Case(provider, model, "tool results of a search", body=searched, **_place(provider))
        blocked = {"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": tokens(1000, 0)}
        yield Case(provider, model, "a blocked prompt", body={**blocked, "modelVersion": model}, **_place(provider))
    prepaid = tokens(1000, 200, trafficType="PROVISIONED_THROUGHPUT")
    body = answer_of("gemini-2.5-flash", prepaid)
    yield Case("vertex_ai", "gemini-2.5-flash", "provisioned throughput", body=body, location="global")
    for model in ("gemini-2.5-flash", "gemini-3.8-flash"):
        plain = answer_of(model, tokens(1000, 200))
        yield Case("vertex_ai", model, "text", body=plain, location="us-central1")
        found = answer_of(model, tokens(1000, 200), groundingMetadata=GROUNDED["search, one query"])
        yield Case("vertex_ai", model, "search, one query", body=found, location="us-central1")
    after = answer_of("gemini-3.8-flash", tokens(1000, 200, cachedContentTokenCount=800))
    for provider in ("gemini", "vertex_ai"):
        yield Case(provider, "gemini-3.8-flash", "on 2027-01-01, cached", body=after, day=date(2027, 1, 1))


def _place(provider: str) -> dict[str, Any]:
    return {"location": "global"} if provider == "vertex_ai" else {}


def _at_tier(provider: str, model: str, tier: str, name: str, usage: Json) -> Case:
    """Vertex says the tier in trafficType, the Gemini API in a header."""
    if provider == "vertex_ai":
        body = answer_of(model, {**usage, "trafficType": f"ON_DEMAND_{tier.upper()}"})
        return Case(provider, model, name, body=body, **_place(provider))
    return Case(provider, model, name, body=answer_of(model, usage), tier=tier)


def _media() -> Iterator[Case]:
    drawn = tokens(100, 1390, candidatesTokensDetails=details(TEXT=100, IMAGE=1290))
    for provider in ("gemini", "vertex_ai"):
        for model in ("gemini-2.5-flash-image", "gemini-3-pro-image"):
            yield Case(provider, model, "a picture", body=answer_of(model, drawn), **_place(provider))
            yield _at_tier(provider, model, "flex", "a picture, flex", drawn)
        model = "gemini-3.8-flash-tts"
        spoken = tokens(100, 500, candidatesTokensDetails=details(AUDIO=500))
        yield Case(provider, model, "speech", body=answer_of(model, spoken), **_place(provider))
        yield Case(provider, model, "speech, no details", body=answer_of(model, tokens(100, 500)), **_place(provider))


# ---- Live


def turn(stem: str, prompt: Json, answer: Json, **more: Any) -> Json:
    """One usage frame; `stem` is the provider's word for the answer."""
    said, heard = sum(answer.values()), sum(prompt.values())
    return {
        "usageMetadata": {
            "promptTokenCount": heard,
            f"{stem}TokenCount": said,
            "totalTokenCount": heard + said,
            "promptTokensDetails": details(**prompt),
            f"{stem}TokensDetails": details(**answer),
            **more,
        }
    }


def _live() -> Iterator[Case]:
    models = (
        ("gemini", "gemini-2.5-flash-native-audio-preview-12-2025", "response"),
        ("gemini", "gemini-3.8-live", "response"),
        ("vertex_ai", "gemini-live-2.5-flash-native-audio", "candidates"),
        ("vertex_ai", "gemini-3.8-live", "candidates"),
    )
    found = {"serverContent": {"groundingMetadata": GROUNDED["search, two queries"]}}
    for provider, model, stem in models:
        plain = turn(stem, {"TEXT": 12}, {"AUDIO": 250})
        heard = turn(stem, {"TEXT": 300, "AUDIO": 400}, {"AUDIO": 250, "TEXT": 30})
        sessions: Mapping[str, tuple[Json, ...]] = {
            "one turn": (plain,),
            "two turns": (plain, heard),
            "thoughts": (turn(stem, {"TEXT": 12}, {"AUDIO": 250}, thoughtsTokenCount=136),),
            "tool results": (turn(stem, {"TEXT": 12}, {"AUDIO": 250}, toolUsePromptTokenCount=40),),
            "camera, film": (turn(stem, {"TEXT": 12, "VIDEO": 258}, {"AUDIO": 250}),),
            "camera, pictures": (turn(stem, {"TEXT": 12, "IMAGE": 258}, {"AUDIO": 250}),),
            "a prompt that details do not cover": (
                turn(stem, {"TEXT": 300, "AUDIO": 400}, {"AUDIO": 250}, promptTokenCount=725),
            ),
            "search, two queries": (found, plain),
        }
        for name, frames in sessions.items():
            yield Case(provider, model, f"Live, {name}", LIVE_METHOD, frames=frames, **_place(provider))


# ---- embeddings, pictures, films


def _embedded() -> Iterator[Case]:
    def vector(**more: Any) -> Json:
        return {"embeddings": {"values": [0.1, 0.2], "statistics": {"token_count": 100, "truncated": False}}, **more}

    by_character: Json = {"predictions": [vector()], "metadata": {"billableCharacterCount": 400}}
    asked = {"instances": [{"content": "x" * 400}]}
    for model in ("text-embedding-005", "text-multilingual-embedding-002"):
        yield Case("vertex_ai", model, "embedding", "predict", by_character, request=asked, **_place("vertex_ai"))
    model = "gemini-embedding-001"
    yield Case("vertex_ai", model, "embedding", "predict", by_character, request=asked, **_place("vertex_ai"))
    content = {"content": {"parts": [{"text": "x" * 400}]}}
    for provider in ("gemini", "vertex_ai"):
        model = "gemini-embedding-2"
        for name, counted in {"text": {"TEXT": 100}, "picture": {"IMAGE": 258}, "audio": {"AUDIO": 250}}.items():
            usage = {"promptTokenCount": sum(counted.values()), "promptTokensDetails": details(**counted)}
            body: Json = {"embedding": {"values": [0.1]}, "usageMetadata": usage}
            yield Case(provider, model, f"embedding, {name}", "embedContent", body, request=content, **_place(provider))
    both = {"instances": [{"text": "red car", "image": {"gcsUri": "gs://b/i.png"}}]}
    vectors: Json = {"predictions": [{"textEmbedding": [0.1], "imageEmbedding": [0.2]}]}
    yield Case(
        "vertex_ai", "multimodalembedding@001", "text and picture", "predict", vectors, request=both, location="global"
    )


def _predicted() -> Iterator[Case]:
    picture = {"bytesBase64Encoded": "aGk=", "mimeType": "image/png"}
    pictures: Mapping[str, list[Json]] = {
        "two pictures": [picture, picture],
        "two pictures, one filtered": [picture, {"raiFilteredReason": "filtered"}],
        "a picture in a bucket": [{"gcsUri": "gs://b/i.png", "mimeType": "image/png"}],
    }
    for provider, model in (("vertex_ai", "imagen-4.0-generate-001"), ("gemini", "imagen-3.0-generate-001")):
        for name, predictions in pictures.items():
            asked = {"instances": [{"prompt": "a cat"}], "parameters": {"sampleCount": len(predictions)}}
            body: Json = {"predictions": predictions}
            yield Case(provider, model, name, "predict", body, request=asked, **_place(provider))
    videos: Mapping[str, tuple[Json, int, Json | None]] = {
        "a film of 8 seconds": ({"durationSeconds": 8}, 1, None),
        "a film of 8 seconds in 4k": ({"durationSeconds": 8, "resolution": "4k"}, 1, None),
        "two films": ({"durationSeconds": 6, "sampleCount": 2}, 2, None),
        "two films, one filtered": ({"durationSeconds": 6, "sampleCount": 2}, 1, None),
        "a film that failed": ({"durationSeconds": 8}, 0, {"code": 3, "message": "refused"}),
    }
    silent = {"a silent film": ({"durationSeconds": 8, "generateAudio": False}, 1, None)}
    for provider, model in (
        ("vertex_ai", "veo-3.1-generate-001"),
        ("vertex_ai", "veo-3.1-fast-generate-001"),
        ("gemini", "veo-3.1-generate-preview"),
    ):
        wanted = {**videos, **(silent if provider == "vertex_ai" else {})}
        for name, (parameters, delivered, error) in wanted.items():
            asked = {"instances": [{"prompt": "a cat"}], "parameters": parameters}
            body = _operation(provider, model, delivered, error)
            yield Case(provider, model, name, "fetchPredictOperation", body, request=asked, **_place(provider))


def _operation(provider: str, model: str, delivered: int, error: Json | None) -> Json:
    vertex = provider == "vertex_ai"
    place = "projects/p/locations/global/publishers/google/" if vertex else ""
    done = {"name": f"{place}models/{model}/operations/o", "done": True}
    if error is not None:
        return {**done, "error": error}
    if vertex:
        return {**done, "response": {"videos": [{"gcsUri": f"gs://b/{i}.mp4"} for i in range(delivered)]}}
    samples = [{"video": {"uri": f"https://example.com/{i}"}} for i in range(delivered)]
    return {**done, "response": {"generateVideoResponse": {"generatedSamples": samples}}}


# ---- partners


def _partners() -> Iterator[Case]:
    claude: Mapping[str, Json] = {
        "text": {"input_tokens": 1000, "output_tokens": 200},
        "cache reads": {"input_tokens": 1000, "output_tokens": 200, "cache_read_input_tokens": 800},
        "cache writes": {"input_tokens": 1000, "output_tokens": 200, "cache_creation_input_tokens": 600},
        "cache writes for an hour": {
            "input_tokens": 1000,
            "output_tokens": 200,
            "cache_creation_input_tokens": 600,
            "cache_creation": {"ephemeral_5m_input_tokens": 100, "ephemeral_1h_input_tokens": 500},
        },
        "web search": {"input_tokens": 1000, "output_tokens": 200, "server_tool_use": {"web_search_requests": 2}},
        "long": {"input_tokens": 250_000, "output_tokens": 200},
    }
    for model in ("claude-sonnet-4-5@20250929", "claude-opus-4-6", "claude-haiku-4-5@20251001"):
        for name, usage in claude.items():
            said = [{"type": "text", "text": "Good day."}]
            body = {
                "id": "m",
                "type": "message",
                "role": "assistant",
                "model": model.partition("@")[0],
                "content": said,
                "stop_reason": "end_turn",
                "usage": usage,
            }
            yield Case("vertex_ai", model, name, "rawPredict", body, location="global")
    shaped: Mapping[str, Json] = {
        "text": {"prompt_tokens": 1000, "completion_tokens": 200, "total_tokens": 1200},
        "cached": {
            "prompt_tokens": 1000,
            "completion_tokens": 200,
            "total_tokens": 1200,
            "prompt_tokens_details": {"cached_tokens": 800},
        },
    }
    beyond = {"prompt_tokens": 1000, "completion_tokens": 200, "total_tokens": 1500}
    for model, usages in (
        ("meta/llama-4-maverick-17b-128e-instruct-maas", shaped),
        ("deepseek-ai/deepseek-v3.2-maas", shaped),
        ("gemini-2.5-flash", {**shaped, "thinking beyond both counts": beyond}),
    ):
        for name, usage in usages.items():
            message = {"role": "assistant", "content": "Good day."}
            choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
            body = {"id": "c", "object": "chat.completion", "created": 1, "model": model, "choices": choices}
            usage_name = f"OpenAI's shape, {name}"
            yield Case("vertex_ai", model, usage_name, "chat/completions", {**body, "usage": usage}, location="global")


# ---- the prices of every model that answers with tokens

_EVERY: Final[Mapping[str, Json]] = {
    "price of text": tokens(100_000, 100_000, thoughts=100_000),
    "price of long text": tokens(400_000, 100_000),
    "price of media and cache": tokens(
        *(160_000, 1000),
        cachedContentTokenCount=40_000,
        promptTokensDetails=details(TEXT=40_000, IMAGE=40_000, VIDEO=40_000, AUDIO=40_000),
        cacheTokensDetails=details(TEXT=20_000, AUDIO=20_000),
    ),
}


def _every_model() -> Iterator[Case]:
    """Each Gemini entry of the shipped book's layer `current` with token prices, so that a price that moved is seen.

    Not those that only `retired` knows, whose prices are of another day, and not Live models, which answer otherwise.
    What draws or speaks takes neither sound nor long prompts.
    """
    book = price_book("shipped")
    named = {_owner(book, key): None for key in sorted(book)}
    for provider, model in named:
        entry = book.entry(provider, model)
        if entry is None or "current" not in entry.layers.values() or entry.price("input_cost_per_token") is None:
            continue
        if "gemini" not in model or any(word in model for word in ("embedding", "live", "native-audio")):
            continue
        is_narrow = any(word in model for word in ("image", "banana", "tts"))
        for name, usage in _EVERY.items():
            if name == "price of text" or (not is_narrow and (entry.thresholds or "long" not in name)):
                yield Case(provider, model, name, body=answer_of(model, usage), **_place(provider))


def _owner(book: PriceBook, key: str) -> tuple[str, str]:
    """Provider and model of an entry; of a bare one by what it says."""
    provider, slash, model = key.partition("/")
    if slash and provider in ("gemini", "vertex_ai"):
        return provider, model
    is_gemini = book.entry("gemini", key) is not None and book.entry("vertex_ai", key) is None
    return "gemini" if is_gemini else "vertex_ai", key
