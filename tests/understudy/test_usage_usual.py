"""The short ways that usual answers take say the same as the long ones, whatever the answer is."""

import json

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from understudy.usage.generate import StreamReader, UnaryReader
from understudy.usage.meters import Direction, Meter, Modality
from understudy.usage.policies import Policies
from understudy.usage.reading import Reading, UsageFold, UsualUsage
from understudy.usage.tokens import Form, text_tokens, tokens_by_rules, tokens_of

USUAL = {
    "promptTokenCount": 18,
    "candidatesTokenCount": 31,
    "totalTokenCount": 84,
    "cachedContentTokenCount": 3,
    "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 17}, {"modality": "IMAGE", "tokenCount": 1}],
    "thoughtsTokenCount": 35,
    "trafficType": "ON_DEMAND",
}
LONG_WAY = {"prompt_feedback": {}}
"""Says nothing, and is not usual: an answer with it is read with all care. What the answer itself says goes before."""

odd = st.sampled_from(
    [
        *(None, True, -1, 0, 2**53, 2**53 + 1, 10**30, 1.5, 8.0, "7", "-7", "many", "", "x" * 64, "x" * 65, "\ud800"),
        *([], {}, [1], [{}], [{"modality": "TEXT"}], [{"modality": 1}], [{"tokenCount": 1}], [None]),
        *([{"modality": "TEXT", "tokenCount": n}] for n in (-1, "1", 1.0, None, 2**53 + 1)),
        *([{"modality": "TEXT", "tokenCount": 1}] * n for n in (2, 32, 33)),
        *([{"modality": word, "tokenCount": 1}] for word in ("", "NEW", "x" * 65)),
        [{"modality": "TEXT", "token_count": 1}],
        [{"modality": "TEXT", "tokenCount": 1, "x": 1}],
    ]
)
counts = st.integers(0, 4)
details = st.lists(
    st.builds(lambda word, n: {"modality": word, "tokenCount": n}, st.sampled_from(["TEXT", "AUDIO"]), counts),
    max_size=2,
)
texts = st.sampled_from(["", "flex", "ON_DEMAND"])
usual_members = {
    **dict.fromkeys(("promptTokenCount", "candidatesTokenCount", "thoughtsTokenCount", "totalTokenCount"), counts),
    **dict.fromkeys(("promptTokensDetails", "candidatesTokensDetails"), details),
    "cachedContentTokenCount": counts,
    "cacheTokensDetails": st.lists(
        st.builds(lambda n: {"modality": "TEXT", "tokenCount": n}, counts), min_size=1, max_size=1
    ),
    "trafficType": texts,
}
seldom_members = {
    **dict.fromkeys(("toolUsePromptTokenCount", "responseTokenCount", "x"), counts),
    **dict.fromkeys(("prompt_token_count", "candidates_token_count"), counts),
    **dict.fromkeys(("cacheTokensDetails", "toolUsePromptTokensDetails", "responseTokensDetails"), details),
    **dict.fromkeys(("promptTokenDetails", "prompt_tokens_details", "candidates_token_details"), details),
    "serviceTier": texts,
}


def with_oddities(usual, seldom):
    """Objects of usual members in any order; every second one with one or two that are seldom, or odd."""
    some = st.sampled_from([*usual, *seldom])
    found = st.fixed_dictionaries({}, optional=usual)
    added = some.flatmap(lambda name: st.tuples(st.just(name), seldom.get(name, odd) | odd))
    both = st.builds(lambda one, more: one | dict(more), found, st.lists(added, min_size=1, max_size=2))
    return (found | both).flatmap(lambda value: st.permutations(list(value.items())).map(dict))


metadata = with_oddities(usual_members, seldom_members)
candidates = with_oddities(
    {"index": counts, "content": st.just({"parts": []})},
    {
        "groundingMetadata": st.just({"webSearchQueries": ["a"]}),
        "grounding_metadata": st.just({"webSearchQueries": ["b"]}),
    },
)
answers = with_oddities(
    {
        "usageMetadata": metadata,
        "modelVersion": st.sampled_from(["m-1", "", "m" * 200]),
        "candidates": st.lists(candidates, max_size=2),
    },
    {
        "usage_metadata": metadata,
        "model_version": st.just("m-2"),
        "modelVersion": st.just("m" * 201),
        "promptFeedback": st.just({"blockReason": "SAFETY"}),
        "prompt_feedback": st.just({"block_reason": "SAFETY"}),
        "error": st.just({"code": 500}),
    },
)


def unary(answer) -> Reading:
    reader = UnaryReader()
    reader.feed(json.dumps(answer).encode())
    return reader.finish()


def streamed(events, policies) -> Reading:
    reader = StreamReader(policies)
    for event in events:
        reader.feed(b"data: " + json.dumps(event).encode() + b"\r\n\r\n")
    return reader.finish()


def assert_same(short: Reading, long: Reading) -> None:
    assert short == long
    assert list(short.usage or ()) == list(long.usage or ())


@settings(max_examples=400)
@given(answers)
@example({"usageMetadata": USUAL, "modelVersion": "m-1"})
@example({"usageMetadata": {"prompt_token_count": 3}})
@example({"usageMetadata": {"promptTokensDetails": [{"modality": "TEXT", "tokenCount": 1}] * 33}})
@example({"usageMetadata": {"trafficType": "x" * 65}})
def test_a_usual_answer_is_read_as_with_all_care(answer):
    assert_same(unary(answer), unary(LONG_WAY | answer))


@settings(max_examples=400)
@given(st.lists(answers, max_size=3), st.booleans())
@example([{"usageMetadata": USUAL}, {"usageMetadata": {"promptTokenCount": 20}}], True)
@example([{"usageMetadata": USUAL}, {"usageMetadata": {"promptTokenCount": 20}}], False)
@example([{"candidates": [{}]}, {"promptFeedback": {"blockReason": "SAFETY"}}], True)
def test_usual_events_are_folded_as_with_all_care(events, persists):
    policies = Policies(absent_fields_persist=persists)
    assert_same(streamed(events, policies), streamed([LONG_WAY | event for event in events], policies))


def test_usual_usage_is_decoded_at_once_and_any_other_is_refused():
    assert msgspec.json.decode(json.dumps(USUAL), type=UsualUsage) == USUAL
    for other in ({"promptTokenDetails": []}, {"prompt_token_count": 1}, {"promptTokenCount": -1}, {"trafficType": 1}):
        with pytest.raises(msgspec.ValidationError):
            msgspec.json.decode(json.dumps(USUAL | other), type=UsualUsage)


ALL = tuple(Modality)
orders = st.sampled_from([ALL, (Modality.IMAGE,)])


def folded(metadata):
    fold = UsageFold()
    fold.take(metadata)
    return fold.merged or {}


@settings(max_examples=400)
@given(metadata, st.sampled_from([Form.GENERATE, Form.GEMINI_LIVE, Form.VERTEX_LIVE]), st.booleans(), orders)
@example({"candidatesTokenCount": 3, "thoughtsTokenCount": 1, "totalTokenCount": 3}, Form.GENERATE, False, ALL)
@example({"candidatesTokenCount": -3}, Form.GENERATE, False, ALL)
@example({"thoughtsTokenCount": -3}, Form.GENERATE, False, ALL)
@example({"promptTokenCount": 1, "cachedContentTokenCount": 1}, Form.GENERATE, False, (Modality.IMAGE,))
@example({"promptTokensDetails": [{"modality": "TEXT"}], "promptTokenCount": 1}, Form.GENERATE, False, ALL)
def test_text_alone_is_metered_as_by_the_rules(metadata, form, is_grounded, cached_order):
    usage = folded(metadata)
    short = text_tokens(usage)
    if short is not None:
        long = tokens_by_rules(usage, form, is_grounded=is_grounded, policies=Policies(cached_order=cached_order))
        assert short == long
        assert list(short.usage.items()) == list(long.usage.items())


TEXT = [{"modality": "TEXT", "tokenCount": 8}]


@pytest.mark.parametrize(
    ("more", "fresh"),
    [
        ({}, 8),
        ({"promptTokensDetails": TEXT}, 8),
        ({"cachedContentTokenCount": 3, "cacheTokensDetails": [{"modality": "TEXT", "tokenCount": 3}]}, 5),
        ({"cachedContentTokenCount": 8, "cacheTokensDetails": TEXT}, 0),
    ],
)
def test_text_alone_takes_the_short_way(more, fresh):
    usage = {"promptTokenCount": 8, "candidatesTokenCount": 20, "thoughtsTokenCount": 5, "totalTokenCount": 33} | more
    found = text_tokens(usage)
    assert found == tokens_of(usage, Form.GENERATE)
    assert found is not None
    cached = 8 - fresh
    assert found.usage == {
        **({Meter(Direction.INPUT, Modality.TEXT): fresh} if fresh else {}),
        **({Meter(Direction.CACHED, Modality.TEXT): cached} if cached else {}),
        Meter(Direction.OUTPUT, Modality.TEXT): 20,
        Meter(Direction.THOUGHTS, Modality.TEXT): 5,
    }
