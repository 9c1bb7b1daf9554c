"""From usageMetadata to meters: each rule of pricing 3 with its numbers written out, and what holds for all."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from understudy.usage.meters import Direction, Meter, Modality, Usage
from understudy.usage.reading import UsageFold
from understudy.usage.tokens import Form, tokens_of

INPUT, CACHED, TOOL, OUTPUT, THOUGHTS = (Direction[n] for n in ("INPUT", "CACHED", "TOOL", "OUTPUT", "THOUGHTS"))
TEXT, IMAGE, VIDEO, AUDIO = Modality


def metered(metadata, form=Form.GENERATE, **more):
    fold = UsageFold()
    fold.take(metadata)
    usage = tokens_of(fold.merged or {}, form, **more).usage
    return {(meter.direction, meter.modality): count for meter, count in usage.items()}


def details(*pairs):
    return [{"modality": m, "tokenCount": n} if n is not None else {"modality": m} for m, n in pairs]


def test_rule_1_cached_is_part_of_the_prompt_and_tool_use_and_thoughts_are_not():
    metadata = {
        "promptTokenCount": 100,
        "cachedContentTokenCount": 40,
        "candidatesTokenCount": 7,
        "toolUsePromptTokenCount": 5,
        "thoughtsTokenCount": 3,
        "totalTokenCount": 115,
    }
    assert metered(metadata) == {
        (INPUT, TEXT): 60,
        (CACHED, TEXT): 40,
        (TOOL, TEXT): 5,
        (OUTPUT, TEXT): 7,
        (THOUGHTS, TEXT): 3,
    }


@pytest.mark.parametrize(
    ("total", "form", "answer"),
    [
        (130, Form.GENERATE, 20),  # 100 + 30: the 30 hold the 10 thoughts
        (140, Form.GENERATE, 30),  # 100 + 30 + 10: they do not
        (None, Form.GENERATE, 30),
        (130, Form.GEMINI_LIVE, 30),
        (130, Form.VERTEX_LIVE, 30),
    ],
)
def test_rule_2_the_total_shows_whether_the_answer_holds_the_thoughts(total, form, answer):
    metadata = {"promptTokenCount": 100, "candidatesTokenCount": 30, "thoughtsTokenCount": 10}
    metadata |= {} if total is None else {"totalTokenCount": total}
    assert metered(metadata, form) == {(INPUT, TEXT): 100, (OUTPUT, TEXT): answer, (THOUGHTS, TEXT): 10}


def test_rule_2_more_thoughts_than_answer_are_outside_it():
    metadata = {"promptTokenCount": 5, "candidatesTokenCount": 2, "thoughtsTokenCount": 9, "totalTokenCount": 7}
    assert metered(metadata)[OUTPUT, TEXT] == 2


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        ([("TEXT", 6), ("AUDIO", 10), ("TEXT", 4)], {TEXT: 10 + 80, AUDIO: 10}),
        ([("DOCUMENT", 30), ("MODALITY_UNSPECIFIED", 1), ("IMAGE", 9)], {TEXT: 31 + 60, IMAGE: 9}),
        ([("TEXT", 30), ("VIDEO", None)], {TEXT: 30, VIDEO: 70}),
        ([("IMAGE", None), ("VIDEO", None), ("AUDIO", 1)], {TEXT: 99, AUDIO: 1}),
        ([("AUDIO", 120)], {AUDIO: 120}),
        ([("SMELL", 10)], {TEXT: 100}),
    ],
)
def test_rule_3_input_by_modality(entries, expected):
    metadata = {"promptTokenCount": 100, "promptTokensDetails": details(*entries)}
    assert metered(metadata) == {(INPUT, modality): count for modality, count in expected.items()}


@pytest.mark.parametrize(
    ("cached", "entries", "expected"),
    [
        (30, [("AUDIO", 30)], {(INPUT, TEXT): 50, (INPUT, IMAGE): 10, (INPUT, AUDIO): 10, (CACHED, AUDIO): 30}),
        (55, [], {(INPUT, IMAGE): 5, (INPUT, AUDIO): 40, (CACHED, TEXT): 50, (CACHED, IMAGE): 5}),
        (60, [("AUDIO", 5)], {(INPUT, IMAGE): 5, (INPUT, AUDIO): 35,
                              (CACHED, TEXT): 50, (CACHED, IMAGE): 5, (CACHED, AUDIO): 5}),
        (45, [("AUDIO", 45)], {(INPUT, TEXT): 50, (INPUT, IMAGE): 10, (CACHED, AUDIO): 40}),
        (900, [], {(CACHED, TEXT): 50, (CACHED, IMAGE): 10, (CACHED, AUDIO): 40}),
        (20, [("AUDIO", None)], {(INPUT, TEXT): 50, (INPUT, IMAGE): 10, (INPUT, AUDIO): 20, (CACHED, AUDIO): 20}),
    ],
)  # fmt: skip
def test_rule_4_cached_by_modality_text_first_and_never_more_than_the_prompt(cached, entries, expected):
    metadata = {
        "promptTokenCount": 100,
        "promptTokensDetails": details(("TEXT", 50), ("IMAGE", 10), ("AUDIO", 40)),
        "cachedContentTokenCount": cached,
        "cacheTokensDetails": details(*entries),
    }
    assert metered(metadata) == expected


def test_rule_6_tool_use_by_its_details_and_free_if_grounded():
    metadata = {"toolUsePromptTokenCount": 12, "toolUsePromptTokensDetails": details(("IMAGE", 5))}
    assert metered(metadata) == {(TOOL, TEXT): 7, (TOOL, IMAGE): 5}
    assert metered(metadata, is_grounded=True) == {}


def test_rule_7_output_by_modality_and_speech_without_details_is_audio():
    metadata = {"candidatesTokenCount": 50, "candidatesTokensDetails": details(("AUDIO", 40))}
    assert metered(metadata) == {(OUTPUT, TEXT): 10, (OUTPUT, AUDIO): 40}
    assert metered(metadata, is_speech=True) == {(OUTPUT, TEXT): 10, (OUTPUT, AUDIO): 40}
    assert metered({"candidatesTokenCount": 50}, is_speech=True) == {(OUTPUT, AUDIO): 50}


def test_live_answers_are_read_under_both_names_the_providers_own_first():
    gemini, vertex = {"responseTokenCount": 4}, {"candidatesTokenCount": 9}
    assert metered(gemini | vertex, Form.GEMINI_LIVE) == {(OUTPUT, TEXT): 4}
    assert metered(gemini | vertex, Form.VERTEX_LIVE) == {(OUTPUT, TEXT): 9}
    assert metered(vertex, Form.GEMINI_LIVE) == {(OUTPUT, TEXT): 9}
    assert metered(gemini, Form.VERTEX_LIVE) == {(OUTPUT, TEXT): 4}


def test_what_had_to_be_bent_is_remarked():
    metadata = {"promptTokenCount": -4, "cachedContentTokenCount": 9, "candidatesTokensDetails": details(("SMELL", 1))}
    fold = UsageFold()
    fold.take(metadata)
    assert tokens_of(fold.merged or {}, Form.GENERATE).remarks == (
        "promptTokenCount was negative and counts as 0",
        "more cached tokens than prompt tokens were reported; the surplus is left out",
        "the unknown modality 'SMELL' counts as text",
    )


some_details = st.lists(
    st.fixed_dictionaries(
        {"modality": st.sampled_from(["TEXT", "AUDIO", "IMAGE", "VIDEO", "DOCUMENT", "SMELL"])},
        optional={"tokenCount": st.integers(-3, 50)},
    ),
    max_size=4,
)
some_metadata = st.fixed_dictionaries(
    {},
    optional={
        **{f"{stem}TokenCount": st.integers(-3, 200) for stem in ("prompt", "candidates", "response", "toolUsePrompt")},
        **{name: st.integers(-3, 200) for name in ("thoughtsTokenCount", "cachedContentTokenCount", "totalTokenCount")},
        **{
            f"{stem}TokensDetails": some_details
            for stem in ("prompt", "candidates", "response", "toolUsePrompt", "cache")
        },
    },
)


@given(some_metadata, st.sampled_from(Form), st.booleans(), st.booleans())
def test_no_meter_is_negative_and_the_prompts_meters_add_up_to_the_prompt(metadata, form, grounded, speech):
    found = metered(metadata, form, is_grounded=grounded, is_speech=speech)
    assert all(count > 0 for count in found.values())
    counted = sum(max(0, entry.get("tokenCount", 0)) for entry in metadata.get("promptTokensDetails", ()))
    prompt = max(metadata.get("promptTokenCount", 0), counted, 0)
    assert sum(count for (direction, _), count in found.items() if direction in (INPUT, CACHED)) == prompt


meters = st.builds(Meter, st.sampled_from(Direction), st.sampled_from(Modality))
usages = st.dictionaries(meters, st.integers(0, 100)).map(Usage)


@given(usages, usages, usages)
def test_usages_add_up_meter_by_meter(a, b, c):
    assert (a + b) + c == a + (b + c) == c + (b + a)
    assert a + Usage() == a
    assert all((a + b)[meter] == a.get(meter, 0) + b.get(meter, 0) for meter in a + b)
    assert all(count for count in a.values())
