"""Why another calculator's figure differs from ours: each cause with who is right, and the answer as it was read there.

A disagreement may have several causes. `as_if` changes a case into the one that the other calculator computed: our
engine, fed with that, must then give the other's figure, or the cause is not the one.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from understudy.pricing.explain import LIVE_METHOD

from .grid import DAY, Case, Json, details

GENAI_PRICES: Final = "genai-prices"
LITELLM: Final = "litellm"

Change = Callable[[Case], Case]


@dataclass(frozen=True)
class Cause:
    """`right` says who is, `why` gives the source. `as_if` None: the cause lies in a price, not in the answer."""

    title: str
    right: str
    why: str
    fits: Callable[[Case], bool]
    as_if: Change | None = None


def causes_of(who: str, case: Case) -> tuple[Cause, ...]:
    """All causes that may apply to a case."""
    return tuple(cause for cause in CAUSES[who] if cause.fits(case))


# ---- which cases


def _named(pattern: str) -> Callable[[Case], bool]:
    """Whether the case's usage is called so, wholly."""
    return lambda case: re.fullmatch(pattern, case.usage) is not None


def _on(provider: str, pattern: str, models: str = ".*") -> Callable[[Case], bool]:
    return lambda case: (
        case.provider == provider
        and re.fullmatch(pattern, case.usage) is not None
        and re.fullmatch(models, case.model) is not None
    )


def _is_gemini_live(case: Case) -> bool:
    return case.kind == LIVE_METHOD and case.provider == "gemini"


# ---- what is changed


def _in_usage(change: Callable[[Json], Json]) -> Change:
    """The same change in every usageMetadata of a case."""

    def changed(body: Mapping[str, Any]) -> Json:
        usage = body.get("usageMetadata")
        return {**body, "usageMetadata": change(usage)} if usage is not None else dict(body)

    return lambda case: replace(
        case,
        body=None if case.body is None else changed(case.body),
        frames=tuple(changed(frame) for frame in case.frames),
    )


def _without(*words: str) -> Change:
    return _in_usage(lambda usage: {word: value for word, value in usage.items() if word not in words})


def _without_tier(case: Case) -> Case:
    return replace(_without("trafficType")(case), tier=None)


def _without_grounding(case: Case) -> Case:
    """No search: neither its fee, nor that its results come free."""
    frames = tuple(frame for frame in case.frames if "serverContent" not in frame)
    body = dict(case.body or {})
    if "candidates" in body:
        [candidate] = body["candidates"]
        body["candidates"] = [{word: value for word, value in candidate.items() if word != "groundingMetadata"}]
    if "usage" in body:
        body["usage"] = {word: value for word, value in body["usage"].items() if word != "server_tool_use"}
    return replace(case, frames=frames, body=None if case.body is None else body)


def _counted(usage: Json) -> Iterator[Json]:
    return (entry for entry in usage.get("promptTokensDetails", ()) if "tokenCount" in entry)


def _first_of_each(usage: Json) -> Json:
    kept = {entry["modality"]: entry for entry in reversed(usage["promptTokensDetails"])}
    return {**usage, "promptTokensDetails": list(kept.values())}


def _counted_details(usage: Json) -> Json:
    return {**usage, "promptTokensDetails": list(_counted(usage))}


def _counted_prompt(usage: Json) -> Json:
    """What the details of the prompt leave over was never there."""
    counted = _counted_details(usage)
    return {**counted, "promptTokenCount": sum(entry["tokenCount"] for entry in _counted(usage))}


def _thoughts_outside(usage: Json) -> Json:
    return {**usage, "totalTokenCount": usage["totalTokenCount"] + usage["thoughtsTokenCount"]}


def _cached_audio_as_text(usage: Json) -> Json:
    """Cached audio becomes cached text; without details of the cache, text is cached first (our policy, too)."""
    prompt = {entry["modality"]: entry["tokenCount"] for entry in usage["promptTokensDetails"]}
    told = {entry["modality"]: entry["tokenCount"] for entry in usage.get("cacheTokensDetails", ())}
    cached = usage["cachedContentTokenCount"]
    moved = told.get("AUDIO", max(0, cached - prompt["TEXT"]))
    prompt |= {"TEXT": prompt["TEXT"] + moved, "AUDIO": prompt["AUDIO"] - moved}
    return {**usage, "promptTokensDetails": details(**prompt), "cacheTokensDetails": details(TEXT=cached)}


def _delivered_as_asked(case: Case) -> Case:
    count = (case.request or {})["parameters"].get("sampleCount", 1)
    done = {word: value for word, value in (case.body or {}).items() if word != "error"}
    return replace(case, body={**done, "response": {"videos": [{"gcsUri": f"gs://b/{i}"} for i in range(count)]}})


def _with_sound(case: Case) -> Case:
    asked = case.request or {}
    parameters = {word: value for word, value in asked["parameters"].items() if word != "generateAudio"}
    return replace(case, request={**asked, "parameters": parameters})


def _without_total(case: Case) -> Case:
    body = case.body or {}
    usage = {word: value for word, value in body["usage"].items() if word != "total_tokens"}
    return replace(case, body={**body, "usage": usage})


def _of_model(name: str, provider: str | None = None) -> Change:
    return lambda case: replace(case, model=name, provider=provider or case.provider, location=None)


# ---- the causes

_OURS: Final = "ours"
_OPEN: Final = "open"
_PRICING: Final = "Google's price list"
_VERTEX_PRICING: Final = "Vertex AI's price list"
_ANSWER: Final = ("responseTokenCount", "responseTokensDetails")
_SKIPPED: Final = ("thoughtsTokenCount", "toolUsePromptTokenCount")
_PREPAID: Final = Cause(
    "provisioned throughput has on-demand rates",
    "open: a policy of ours",
    "It is paid for already; its marginal cost is 0 unless `prepaid_is_free` says otherwise.",
    _named("provisioned throughput"),
    _without_tier,
)
_BEYOND: Final = Cause(
    "OpenAI's shape: thinking that only the total holds is left out",
    _OURS,
    "Google's endpoint counts thoughts in `total_tokens`, not in `completion_tokens`, and bills them as output.",
    _named("OpenAI's shape, thinking beyond both counts"),
    _without_total,
)
_LOST_ANSWER: Final = Cause(
    "Live on the Gemini API: the answer is lost",
    _OURS,
    "There its counts are `responseTokenCount` and `responseTokensDetails`; only `candidates...` is read.",
    _is_gemini_live,
    _without(*_ANSWER),
)

_GENAI_PRICES: Final = (
    _PREPAID,
    _BEYOND,
    _LOST_ANSWER,
    Cause(
        "flex and priority are priced as standard",
        _OURS,
        f"Flex costs half ({_PRICING}), priority 1.8 times (LiteLLM's map). Here Gemini has no such rates.",
        _named("(flex|priority).*|a picture, flex"),
        _without_tier,
    ),
    Cause(
        "no fees for grounding, nor for Claude's web search",
        _OURS,
        f"{_PRICING}: $35 per 1000 grounded prompts (2.x), $14 per 1000 queries (3.x), Maps $25 and $14; Claude's "
        "search $10 per 1000. Results of a search are no input to pay for.",
        _named("search, .*|maps|tool results of a search|Live, search.*|web search"),
        _without_grounding,
    ),
    Cause(
        "thoughts that the answer's count already holds are added",
        _OURS,
        "The total says so: it is prompt and answer alone.",
        _named("thinking inside the answer's count"),
        _in_usage(_thoughts_outside),
    ),
    Cause(
        "of a modality that is told twice only the first counts",
        _OURS,
        "The details are a list; the prompt's count is the sum of all.",
        _named("a modality told twice"),
        _in_usage(_first_of_each),
    ),
    Cause(
        "a detail without its count is text",
        "open: a policy of ours",
        "The one modality without a count owns what the others leave (`uncounted_detail_takes_rest`).",
        _named("a detail without its count"),
        _in_usage(_counted_details),
    ),
    Cause(
        "no uplift at locations of Vertex AI",
        _OURS,
        f"{_VERTEX_PRICING}: recent models cost 10 % more outside `global`.",
        lambda case: case.location == "us-central1",
        lambda case: replace(case, location=None),
    ),
    Cause(
        "Gemini API and Vertex AI are one",
        _OURS,
        "2.0 Flash is dearer on Vertex AI (0.15, 0.60, audio 1.00 per 1M tokens; LiteLLM's map).",
        _on("vertex_ai", "price of .*", "gemini-2.0-flash"),
        _of_model("gemini-2.0-flash", "gemini"),
    ),
    Cause(
        "a model that it does not know has the price of one whose name is alike",
        "ours, by LiteLLM's map alone",
        "`gemini-3.8-flash-cyber` has an entry of its own there, twice as dear as 3.8 Flash.",
        _on("vertex_ai", "price of .*", "gemini-3.8-flash-cyber"),
        _of_model("gemini-3.8-flash", "gemini"),
    ),
    Cause(
        "an experimental model has the price of the stable one",
        "ours, by LiteLLM's map alone",
        "`gemini-2.0-flash-exp-image-generation` was free.",
        _on("gemini", "price of .*", "gemini-2.0-flash-exp-image-generation"),
        _of_model("gemini-2.0-flash"),
    ),
)

_LITELLM: Final = (
    _PREPAID,
    _BEYOND,
    _LOST_ANSWER,
    Cause(
        "Live: thoughts and tool results are skipped",
        _OURS,
        f"Both are in the frame's own counts; {_PRICING} bills thoughts as output and tool results as input.",
        _named("Live, (thoughts|tool results)"),
        _without(*_SKIPPED),
    ),
    Cause(
        "Live: what the prompt's details leave over is dropped",
        _OURS,
        "The prompt's count is what was read; its rest is text. Whether Google bills that rest as text is asked in its "
        "forum and not answered.",
        _named("Live, a prompt that details do not cover"),
        _in_usage(_counted_prompt),
    ),
    Cause(
        "Live on the Gemini API: pictures at the text rate",
        _OURS,
        f"{_PRICING}: 2.5 Flash Native Audio takes audio and video, pictures among it, at 3.00 per 1M tokens.",
        lambda case: _is_gemini_live(case) and "native-audio" in case.model and case.usage == "Live, camera, pictures",
    ),
    Cause(
        "3.x Live: search costs $0.035 for the prompt",
        _OURS,
        f"{_PRICING}: Gemini 3 pays $0.014 for each query. The map has no search price for these entries.",
        lambda case: case.model == "gemini-3.8-live" and case.usage.startswith("Live, search"),
    ),
    Cause(
        "a detail without its count is dropped",
        "open: a policy of ours",
        "Left out or text (our other setting), it is paid too little; the prompt's count holds it.",
        _named("a detail without its count"),
        _in_usage(_counted_prompt),
    ),
    Cause(
        "flex above 200000 tokens has the full long rate",
        _OURS,
        f"{_PRICING}: flex is half, long prompts too. The map has no key for both at once.",
        lambda case: case.usage == "flex, long" and "-pro" in case.model,
        _without_tier,
    ),
    Cause(
        "cached audio has the rate of cached text",
        _OURS,
        f"{_PRICING} has a rate for cached audio. Without any cache price audio costs its ordinary rate.",
        _named("cached text and audio, without details of the cache|price of media and cache"),
        _in_usage(_cached_audio_as_text),
    ),
    Cause(
        "tool results are all text",
        _OURS,
        "`toolUsePromptTokensDetails` tells their modality, and audio has a rate of its own.",
        _named("tool results, by modality"),
        _without("toolUsePromptTokensDetails"),
    ),
    Cause(
        "a batch has no cache hits on Vertex AI",
        _OURS,
        f"{_VERTEX_PRICING}: cache hits in a batch keep the standard cache rate. genai-prices agrees with us.",
        _on("vertex_ai", "batch, cached", "gemini-(2.5|3.1).*"),
        _without("cachedContentTokenCount"),
    ),
    Cause(
        "flex on Vertex AI: audio at the standard rate",
        _OURS,
        f"{_PRICING}: flex halves audio, too. The map has no key for it there, but one on the Gemini API.",
        _on("vertex_ai", "flex, audio", "gemini-2.5-flash.*"),
    ),
    Cause(
        "2.5 Flash-Lite on Vertex AI: audio of a batch at 0.05 per 1M tokens",
        _OURS,
        f"{_PRICING}: 0.15, half of 0.30. A slip of the map, which our corrections mend; genai-prices agrees with us.",
        _on("vertex_ai", "batch, audio", "gemini-2.5-flash-lite"),
    ),
    Cause(
        "flex leaves pictures of an answer at the standard rate",
        _OURS,
        f"{_PRICING}: flex is half, for output, too.",
        _named("a picture, flex"),
    ),
    Cause(
        "no prices of another day",
        _OURS,
        f"{_PRICING}: 3.6 to 3.8 Flash double on 2027-01-01. genai-prices agrees with us.",
        lambda case: case.day > DAY,
        lambda case: replace(case, day=DAY),
    ),
    Cause(
        "a video is billed when it is asked for",
        _OURS,
        "Google: you are charged only if the video is generated. Filtered and failed ones are free.",
        _named("two films, one filtered|a film that failed"),
        _delivered_as_asked,
    ),
    Cause(
        "a silent video costs as much as one with sound",
        "ours for 3.1 Fast; open for 3.1",
        f"{_VERTEX_PRICING} has silent 3.1 Fast at 0.08 a second; the 0.20 of silent 3.1 is second-hand.",
        _named("a silent film"),
        _with_sound,
    ),
)

CAUSES: Final[Mapping[str, tuple[Cause, ...]]] = {GENAI_PRICES: _GENAI_PRICES, LITELLM: _LITELLM}
