"""What must hold of every cost: order, monotonicity, one meter for each token, streams against answers, turns apart."""

import json
from datetime import date
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from strategies import splits
from understudy.pricing.book import Layer, PriceBook
from understudy.pricing.cost import combined
from understudy.pricing.exchanges import cost_of
from understudy.pricing.explain import BATCH, LIVE_METHOD, explain
from understudy.pricing.sessions import cost_of_session
from understudy.usage.generate import StreamReader
from understudy.usage.live import LiveReader
from understudy.usage.meters import Direction
from understudy.usage.partner_tokens import claude_tokens, openai_tokens
from understudy.usage.readers import reader_for
from understudy.usage.reading import Reading, UsageFold
from understudy.usage.tokens import Form, tokens_of

DAY = date(2026, 11, 21)
BOOK = PriceBook.from_layers(
    [
        Layer(
            "test",
            {
                "gemini/m": {
                    "input_cost_per_token": "1e-6",
                    "input_cost_per_token_above_200k_tokens": "2e-6",
                    "input_cost_per_audio_token": "3e-6",
                    "output_cost_per_token": "5e-6",
                    "output_cost_per_image_token": "7e-6",
                    "cache_read_input_token_cost": "1e-7",
                    "search_context_cost_per_query": "0.014",
                    "web_search_billing_unit": "per_query",
                }
            },
            strict=True,
        )
    ]
)

amounts = st.integers(0, 150_000)
splits_of = st.dictionaries(st.sampled_from(["TEXT", "IMAGE", "VIDEO", "AUDIO", "DOCUMENT", "?"]), amounts, max_size=4)
answer_names = st.sampled_from(["candidates", "response"])


@st.composite
def usages(draw):
    """A usageMetadata as Google may write it: details that add up to the count, or to less; cached part of prompt."""
    ins, outs, tools = draw(splits_of), draw(splits_of), draw(splits_of)
    prompt = sum(ins.values()) + draw(amounts)
    usage = {
        "promptTokenCount": prompt,
        "promptTokensDetails": details(ins),
        "cachedContentTokenCount": draw(st.integers(0, prompt)),
        "candidatesTokenCount": sum(outs.values()) + draw(amounts),
        "candidatesTokensDetails": details(outs),
        "toolUsePromptTokenCount": sum(tools.values()) + draw(amounts),
        "toolUsePromptTokensDetails": details(tools),
        "thoughtsTokenCount": draw(amounts),
    }
    kept = draw(st.sets(st.sampled_from(list(usage))))
    return {name: value for name, value in usage.items() if name in kept or name == "promptTokenCount"}


def details(tokens):
    return [{"modality": modality, "tokenCount": count} for modality, count in tokens.items()]


def cost(usage) -> Decimal:
    fold = UsageFold()
    fold.take(usage)
    total = cost_of(BOOK, "gemini", "m", Reading(fold.merged), method="generateContent", date=DAY).total
    assert total is not None
    return total


@given(usages(), st.randoms(use_true_random=False))
def test_the_order_of_details_does_not_matter(usage, random):
    shuffled = {name: value[:] if isinstance(value, list) else value for name, value in usage.items()}
    for value in shuffled.values():
        if isinstance(value, list):
            random.shuffle(value)
    assert cost(dict(reversed(shuffled.items()))) == cost(usage)


@given(
    usages(),
    st.sampled_from(["promptTokenCount", "candidatesTokenCount", "thoughtsTokenCount", "toolUsePromptTokenCount"]),
    amounts,
)
def test_more_tokens_never_cost_less(usage, name, more):
    assert cost(usage | {name: usage.get(name, 0) + more}) >= cost(usage)


@given(usages())
def test_every_token_stands_on_one_meter(usage):
    found = tokens_of(usage, Form.GENERATE).usage
    heard = usage["promptTokenCount"]
    for count, split in (("candidatesTokenCount", "candidates"), ("toolUsePromptTokenCount", "toolUsePrompt")):
        told = sum(detail["tokenCount"] for detail in usage.get(f"{split}TokensDetails", ()))
        heard += max(usage.get(count, 0), told)
    heard += usage.get("thoughtsTokenCount", 0)
    # Details of the prompt never exceed its count here, and cached tokens are part of it.
    assert sum(found.values()) == heard
    cached = sum(count for meter, count in found.items() if meter.direction is Direction.CACHED)
    assert cached == usage.get("cachedContentTokenCount", 0)


counts = st.integers(0, 10**6)
claude_usages = st.fixed_dictionaries(
    {"input_tokens": counts, "output_tokens": counts},
    optional={
        "cache_read_input_tokens": counts,
        "cache_creation_input_tokens": counts,
        "cache_creation.ephemeral_1h_input_tokens": counts,
    },
)


@given(claude_usages)
def test_claudes_counts_are_disjoint(usage):
    tokens = claude_tokens(usage)
    written = max(usage.get("cache_creation_input_tokens", 0), usage.get("cache_creation.ephemeral_1h_input_tokens", 0))
    prompt = usage["input_tokens"] + usage.get("cache_read_input_tokens", 0) + written
    assert (tokens.prompt, sum(tokens.usage.values())) == (prompt, prompt + usage["output_tokens"])


@given(counts, counts, counts, counts, counts, st.booleans())
def test_what_openais_shape_counts_twice_stands_on_one_meter(prompt, answer, cached, spoken, thoughts, is_outside):
    usage = {
        "prompt_tokens": prompt,
        "completion_tokens": answer,
        "prompt_tokens_details.cached_tokens": cached,
        "prompt_tokens_details.audio_tokens": spoken,
        "completion_tokens_details.reasoning_tokens": thoughts,
        "total_tokens": prompt + answer + (thoughts if is_outside else 0),
    }
    tokens = openai_tokens(usage).usage
    assert sum(tokens.values()) == prompt + answer + (thoughts if is_outside else 0)
    assert all(count > 0 for count in tokens.values())


@given(st.lists(usages(), min_size=1, max_size=4))
def test_a_stream_costs_its_last_totals_and_a_session_the_sum_of_its_turns(frames):
    totals = [dict.fromkeys(frames[-1], 0) | frames[-1]] if len(frames) == 1 else []
    reader = StreamReader()
    for frame in (*frames, *totals):
        reader.feed(b"data: " + json.dumps({"usageMetadata": frame}).encode() + b"\n\n")
    merged: dict[str, object] = {}
    for frame in frames:
        merged |= frame
    one = cost_of(BOOK, "gemini", "m", reader.finish(), method="streamGenerateContent", date=DAY)
    assert one.total == cost(merged)
    live = LiveReader("gemini")
    live.model = "m"
    apart = []
    for frame in frames:
        live.server_message(json.dumps({"usageMetadata": frame}).encode())
        alone = LiveReader("gemini")
        alone.model = "m"
        alone.server_message(json.dumps({"usageMetadata": frame}).encode())
        apart.append(cost_of_session(BOOK, "gemini", alone.finish(), date=DAY))
    assert cost_of_session(BOOK, "gemini", live.finish(), date=DAY).total == combined(apart).total


@given(st.lists(usages(), max_size=4), st.permutations(range(4)))
def test_the_order_of_a_batchs_lines_does_not_matter_and_each_costs_what_it_costs_alone(frames, order):
    lines = [json.dumps({"key": "k", "response": {"usageMetadata": frame}}).encode() for frame in frames]

    def total(some):
        return explain(BOOK, "gemini", "m", BATCH, b"\n".join(some), "", date=DAY).total

    assert total(lines) == total([lines[at] for at in order if at < len(lines)])
    assert total(lines) == sum((total([line]) or Decimal(0) for line in lines), Decimal(0))


names = st.sampled_from(
    [
        *("usage", "usageMetadata", "predictions", "embedding", "embeddings", "metadata", "message", "model", "type"),
        *("input_tokens", "prompt_tokens", "cache_creation", "ephemeral_1h_input_tokens", "statistics", "token_count"),
        *("billableCharacterCount", "videoEmbeddings", "startOffsetSec", "endOffsetSec", "tokenMetadata", "done"),
        *("inlinedResponses", "response", "name", "createTime", "expireTime", "error", "promptTokenCount"),
    ]
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=4),
    max_leaves=12,
)
kinds = st.sampled_from(
    [
        *("predict", "embedContent", "rawPredict", "chat/completions", "list", "get", "generateContent", BATCH),
        *(LIVE_METHOD, "fetchPredictOperation", "predictLongRunning", "streamGenerateContent"),
    ]
)
forms = st.sampled_from(["application/json", "text/event-stream"])
bodies = st.one_of(
    st.binary(max_size=40),
    json_values.map(lambda value: json.dumps(value).encode()),
    json_values.map(lambda value: b"data: " + json.dumps(value).encode() + b"\n\n"),
)


@given(kinds, bodies, forms, bodies)
def test_no_body_makes_the_engine_raise_or_say_less_than_nothing(kind, body, form, request):
    if b"schema_version" in body:
        return
    found = explain(BOOK, "gemini", "m", kind, body, form, date=DAY, request=request)
    assert found.total is None or found.total >= 0
    assert found.total is not None or found.reason


@given(st.data(), kinds, bodies, forms, st.booleans())
def test_every_reader_is_blind_to_splits(data, kind, body, form, with_content):
    one, other = (reader_for(kind, form, "", with_content=with_content) for _ in range(2))
    one.feed(body)
    for piece in data.draw(splits(body)):
        other.feed(piece)
    assert one.finish() == other.finish()
