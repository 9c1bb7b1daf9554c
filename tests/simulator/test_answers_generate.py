"""What the simulator generates by itself: thoughts, calls, media, sources, refusals, and streams that say the same."""

import json
import struct
from base64 import b64decode
from itertools import pairwise

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from understudy_simulator.answers.counting import compute_answer, count_answer
from understudy_simulator.answers.generate import Stamp, stream_answer, whole_answer
from understudy_simulator.answers.lengths import text_of_asked_length
from understudy_simulator.answers.markers import BLOCK_REASONS, FINISH_REASONS
from understudy_simulator.answers.tokens import tokens_of_text
from understudy_simulator.validation.answers import answer_mistakes
from understudy_simulator.validation.loading import descriptions

TIME = "2026-01-01T00:00:00.000000Z"


def stamp(model="gemini-2.5-flash", is_vertex=False, **more):
    return Stamp(is_vertex, model, "rid", TIME, "call0001", **more)


def says(text="hello", config=None, **more):
    body = {"contents": [{"role": "user", "parts": [{"text": text}]}]} | more
    return body if config is None else body | {"generationConfig": config}


def parts_of(answer, index=0):
    return answer["candidates"][index]["content"].get("parts", [])


def text_of(answer, index=0):
    return "".join(part["text"] for part in parts_of(answer, index) if "text" in part and "thought" not in part)


# ---- text


@pytest.mark.parametrize(
    ("prompt", "count", "unit"),
    [
        ("Tell me a story in about 50 words.", 50, "word"),
        ("write EXACTLY 1,200 words on bees", 1200, "word"),
        ("Answer in one word", 1, "word"),
        ("in three short sentences, please", 3, "sentence"),
        ("a 2-sentence summary", 2, "sentence"),
        ("five paragraphs about rain", 5, "paragraph"),
        ("give me 7 bullet points", 7, "line"),
        ("roughly 90 characters", 90, "character"),
    ],
)
def test_texts_are_as_long_as_asked(prompt, count, unit):
    text = text_of(whole_answer(says(prompt), stamp()))
    found = {
        "word": len(text.split()),
        "sentence": text.count("."),
        "paragraph": text.count("\n\n") + 1,
        "line": text.count("\n") + 1,
        "character": len(text),
    }
    assert found[unit] == count


@pytest.mark.parametrize("prompt", ["hello", "a word", "the 3 lions", "9 sentencesx", "words"])
def test_other_prompts_ask_for_no_length(prompt):
    assert text_of_asked_length(prompt, 0) is None


@given(st.integers(1, 400), st.integers())
def test_any_number_of_words_is_met(count, seed):
    text = text_of_asked_length(f"{count} words", seed)
    assert text is not None and len(text.split()) == count


def test_the_seed_of_the_simulator_and_of_the_request_choose_the_words():
    texts = {text_of(whole_answer(says("12 words"), stamp(seed=seed))) for seed in range(5)}
    assert len(texts) == 5
    texts = {text_of(whole_answer(says("12 words", {"seed": seed}), stamp())) for seed in range(1, 6)}
    assert len(texts) == 5


def test_a_long_text_ends_at_the_limit_of_the_request_or_of_the_model():
    answer = whole_answer(says("5000 words", {"max_output_tokens": "100"}), stamp())
    assert answer["candidates"][0]["finishReason"] == "MAX_TOKENS"
    assert answer["usageMetadata"]["candidatesTokenCount"] == 100
    answer = whole_answer(says("20000 words", {"topP": 0.5}), stamp("gemini-2.0-flash"))
    assert answer["usageMetadata"]["candidatesTokenCount"] == 8192


def test_no_request_lifts_the_limit_of_the_model():
    answer = whole_answer(says("20000 words", {"maxOutputTokens": 60_000}), stamp("gemini-2.0-flash"))
    assert answer["usageMetadata"]["candidatesTokenCount"] == 8192


@given(st.integers(3, 200), st.integers())
def test_no_sentence_is_left_with_a_word_or_two(count, seed):
    text = text_of_asked_length(f"{count} words", seed)
    assert text is not None and all(len(sentence.split()) > 2 for sentence in text.rstrip(".").split("."))


def test_candidates_differ_from_one_another():
    answer = whole_answer(says("hello", {"candidateCount": 3}), stamp())
    assert len({text_of(answer, index) for index in range(3)}) == 3
    total = sum(tokens_of_text(text_of(answer, index)) for index in range(3))
    assert answer["usageMetadata"]["candidatesTokenCount"] == total


def test_json_of_a_schema_differs_by_candidate_and_satisfies_it():
    schema = {"type": "array", "items": {"type": "integer"}, "minItems": 4}
    for name in ("responseJsonSchema", "response_json_schema"):
        config = {"responseMimeType": "application/json", name: schema, "candidateCount": 2}
        answer = whole_answer(says("x", config), stamp())
        values = [json.loads(text_of(answer, index)) for index in (0, 1)]
        assert values[0] != values[1]
        for value in values:
            jsonschema.validate(value, schema)


@pytest.mark.parametrize("name", ["schema", "jsonSchema", "json_schema"])
@pytest.mark.parametrize("mime_type", ["application/json", "APPLICATION_JSON"])
def test_the_newer_way_to_ask_for_json_is_understood(name, mime_type):
    config = {"responseFormat": [{"text": {"mimeType": mime_type, name: {"type": "integer", "minimum": 4}}}]}
    assert json.loads(text_of(whole_answer(says("x", config), stamp()))) >= 4


# ---- functions

TIMES = {"name": "get_time", "description": "The time", "parametersJsonSchema": {"type": "object", "properties": {}}}
WEATHER = {
    "name": "get_weather",
    "parameters": {
        "type": "OBJECT",
        "properties": {"city": {"type": "STRING"}, "unit": {"type": "STRING", "enum": ["C", "F"]}},
        "required": ["city", "unit"],
    },
}
TOOLS = [{"functionDeclarations": [TIMES, WEATHER]}]


def calls_in(answer):
    return [part["functionCall"] for part in parts_of(answer) if "functionCall" in part]


def calling(**config):
    return {"functionCallingConfig": config}


def test_a_function_is_called_when_the_prompt_speaks_of_its_subject():
    [call] = calls_in(whole_answer(says("How is the weather in Paris?", tools=TOOLS), stamp()))
    assert call["name"] == "get_weather"
    assert call["args"]["unit"] in ("C", "F")
    assert calls_in(whole_answer(says("hello", tools=TOOLS), stamp())) == []


@pytest.mark.parametrize(
    ("prompt", "parameters", "arguments"),
    [
        ("the weather in Paris in F", {"city": {"type": "STRING"}}, {"city": "Paris"}),
        ("the weather in New York, please", {"user_location": {"type": "STRING"}}, {"user_location": "New York"}),
        ("weather as F for me", {"unit": {"type": "STRING", "enum": ["Celsius", "F"]}}, {"unit": "F"}),
        ("weather 3 and 4.5", {"a": {"type": "INTEGER"}, "b": {"type": "NUMBER"}}, {"a": 3, "b": 4.5}),
        ("weather 'of old'", {"title": {"type": "STRING"}}, {"title": "of old"}),
        ("weather now?", {"query": {"type": "STRING"}}, {"query": "weather now?"}),
    ],
)
def test_arguments_take_up_what_the_prompt_says(prompt, parameters, arguments):
    schema = {"type": "OBJECT", "properties": parameters, "required": list(parameters)}
    tools = [{"functionDeclarations": [{"name": "get_weather", "parameters": schema}]}]
    [call] = calls_in(whole_answer(says(prompt, tools=tools), stamp()))
    assert call["args"] == arguments


def test_what_the_prompt_says_is_not_taken_up_where_it_does_not_fit():
    members = {"count": {"type": "INTEGER", "maximum": 5}, "name": {"type": "STRING", "maxLength": 3}}
    schema = {"type": "OBJECT", "properties": members, "required": ["count", "name"]}
    tools = [{"functionDeclarations": [{"name": "get_weather", "parameters": schema}]}]
    [call] = calls_in(whole_answer(says('weather 70 "many words"', tools=tools), stamp()))
    assert call["args"]["count"] <= 5 and len(call["args"]["name"]) <= 3


@pytest.mark.parametrize("is_vertex", [False, True])
def test_two_functions_are_called_when_the_prompt_names_both(is_vertex):
    body = says("get_time and get_weather", tools=TOOLS)
    answer = whole_answer(body, stamp("gemini-3-flash-preview", is_vertex))
    first, second = calls_in(answer)
    assert [first["name"], second["name"]] == ["get_time", "get_weather"]
    assert first["id"] == "call0001" != second["id"]
    assert ["thoughtSignature" in part for part in parts_of(answer)] == [True, False]
    assert ("finishMessage" in answer["candidates"][0]) != is_vertex
    assert answer["candidates"][0]["finishReason"] == "STOP"
    assert "id" not in calls_in(whole_answer(body, stamp()))[0]


@pytest.mark.parametrize(
    ("config", "names"),
    [
        (calling(mode="ANY"), ["get_time"]),
        (calling(mode="ANY", allowedFunctionNames=["get_weather"]), ["get_weather"]),
        (calling(mode="ANY", allowed_function_names=["get_weather"]), ["get_weather"]),
        (calling(mode="VALIDATED"), []),
        (calling(mode="AUTO"), []),
        (calling(mode="NONE"), []),
    ],
)
def test_the_mode_says_whether_a_function_must_be_called(config, names):
    answer = whole_answer(says("hello", tools=TOOLS, toolConfig=config), stamp())
    assert [call["name"] for call in calls_in(answer)] == names


def test_no_function_is_called_in_mode_none_even_if_named():
    answer = whole_answer(says("get_time", tools=TOOLS, tool_config=calling(mode="NONE")), stamp())
    assert calls_in(answer) == []


def test_after_the_function_s_response_comes_a_text_that_quotes_it():
    body = says("get_weather", tools=TOOLS, toolConfig=calling(mode="ANY"))
    body["contents"] += [
        {"role": "model", "parts": parts_of(whole_answer(body, stamp()))},
        {"role": "user", "parts": [{"function_response": {"name": "get_weather", "response": {"sky": "grey"}}}]},
    ]
    answer = whole_answer(body, stamp())
    assert calls_in(answer) == []
    assert 'get_weather returned {"sky": "grey"}' in text_of(answer)


# ---- thoughts


def thinks(**config):
    return says("hello", {"thinkingConfig": config})


@pytest.mark.parametrize(
    ("config", "tokens"),
    [
        ({}, 64),
        ({"thinkingBudget": 10}, 10),
        ({"thinkingBudget": -1}, 64),
        ({"thinking_budget": 0}, None),
        ({"thinkingLevel": "LOW"}, 32),
        ({"thinkingLevel": "HIGH"}, 128),
        ({"thinkingLevel": "MINIMAL"}, None),
        ({"thinkingLevel": "high", "thinkingBudget": 100}, 100),
    ],
)
def test_thoughts_are_counted_as_the_config_says(config, tokens):
    usage = whole_answer(thinks(**config), stamp())["usageMetadata"]
    assert usage.get("thoughtsTokenCount") == tokens
    assert usage["totalTokenCount"] == usage["promptTokenCount"] + usage["candidatesTokenCount"] + (tokens or 0)


def test_thoughts_are_told_when_asked_for_and_the_answer_is_signed():
    thought, said = parts_of(whole_answer(thinks(includeThoughts=True), stamp()))
    assert thought["thought"] is True and thought["text"]
    assert "thought" not in said and len(b64decode(said["thoughtSignature"])) == 48
    usage = whole_answer(thinks(includeThoughts=True), stamp())["usageMetadata"]
    assert usage["candidatesTokenCount"] == tokens_of_text(said["text"])
    signed = [
        part for chunk in stream_answer(thinks(), stamp()) for part in parts_of(chunk) if "thoughtSignature" in part
    ]
    assert len(signed) == 1
    [said] = parts_of(whole_answer(thinks(includeThoughts=False), stamp()))
    assert "thought" not in said


def test_a_model_that_does_not_think_tells_no_thoughts():
    answer = whole_answer(thinks(includeThoughts=True), stamp("gemini-2.0-flash"))
    assert len(parts_of(answer)) == 1
    assert "thoughtsTokenCount" not in answer["usageMetadata"]


def test_thoughts_leave_less_of_the_limit_for_words():
    config = {"thinkingConfig": {"thinkingBudget": 50}, "maxOutputTokens": 60}
    usage = whole_answer(says("90 words", config), stamp())["usageMetadata"]
    assert (usage["thoughtsTokenCount"], usage["candidatesTokenCount"]) == (50, 10)


@pytest.mark.parametrize("model", ["gemini-2.5-flash", "gemini-3-pro-image"])
def test_thoughts_that_use_up_the_limit_leave_a_candidate_without_parts(model):
    config = {"thinkingConfig": {}, "maxOutputTokens": 50}
    answer = whole_answer(says("hello", config), stamp(model))
    assert answer["candidates"][0]["finishReason"] == "MAX_TOKENS"
    assert answer["candidates"][0]["content"] == {"role": "model"}
    assert answer["usageMetadata"]["thoughtsTokenCount"] == 50
    assert "candidatesTokenCount" not in answer["usageMetadata"]


# ---- media


def test_speech_is_pcm_of_the_asked_text():
    config = {"responseModalities": ["AUDIO"], "speechConfig": {"voiceConfig": {}}}
    [part] = parts_of(whole_answer(says("Good day", config), stamp("gemini-2.5-flash-preview-tts")))
    assert part["inlineData"]["mimeType"] == "audio/L16;codec=pcm;rate=24000"
    pcm = b64decode(part["inlineData"]["data"])
    assert len(pcm) == len("Good day") * 3200
    usage = whole_answer(says("Good day", config), stamp("gemini-2.5-flash-preview-tts"))["usageMetadata"]
    assert usage["candidatesTokenCount"] == 14
    assert usage["candidatesTokensDetails"] == [{"modality": "AUDIO", "tokenCount": 14}]


def test_each_voice_sounds_different():
    def said(speech_config):
        config = {"responseModalities": ["AUDIO"], "speechConfig": speech_config}
        [part] = parts_of(whole_answer(says("Good day", config), stamp("gemini-2.5-flash-preview-tts")))
        return part["inlineData"]["data"]

    kore = {"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": "Kore"}}}
    puck = {"voice_config": {"prebuilt_voice_config": {"voice_name": "Puck"}}}
    two = {"multiSpeakerVoiceConfig": {"speakerVoiceConfigs": [{"speaker": "A"} | kore, {"speaker": "B"} | puck]}}
    assert len({said({}), said(kore), said(puck)}) == 3
    assert said(two) == said(kore)
    assert len(said(kore)) == len(said({}))


@pytest.mark.parametrize("is_vertex", [False, True])
@pytest.mark.parametrize(
    ("config", "kinds"),
    [
        ({}, ["text", "inlineData"]),
        ({"responseModalities": ["TEXT", "IMAGE"]}, ["text", "inlineData"]),
        ({"response_modalities": ["Image"]}, ["inlineData"]),
    ],
)
def test_image_models_answer_with_a_picture(config, kinds, is_vertex):
    answer = whole_answer(says("a cat", config), stamp("gemini-2.5-flash-image", is_vertex))
    assert [next(iter(part)) for part in parts_of(answer)] == kinds
    assert parts_of(answer)[-1]["inlineData"]["mimeType"] == "image/png"
    details = {entry["modality"]: entry["tokenCount"] for entry in answer["usageMetadata"]["candidatesTokensDetails"]}
    assert details["IMAGE"] == 1290


@pytest.mark.parametrize(("ratio", "size"), [("16:9", (256, 144)), ("9:16", (144, 256)), ("3:4", (192, 256))])
def test_pictures_have_the_asked_aspect_ratio(ratio, size):
    config = {"responseModalities": ["IMAGE"], "imageConfig": {"aspectRatio": ratio}}
    [part] = parts_of(whole_answer(says("a cat", config), stamp("gemini-3-pro-image")))
    assert struct.unpack_from(">II", b64decode(part["inlineData"]["data"]), 16) == size


def test_the_newer_way_to_ask_for_a_picture_s_shape_is_understood():
    image = {"aspectRatio": "ASPECT_RATIO_TWENTY_ONE_BY_NINE", "imageSize": "IMAGE_SIZE_TWO_K"}
    config = {"responseModalities": ["IMAGE"], "responseFormat": [{"image": image}]}
    [part] = parts_of(whole_answer(says("a cat", config), stamp("gemini-3-pro-image")))
    assert struct.unpack_from(">II", b64decode(part["inlineData"]["data"]), 16) == (512, 219)


def test_pictures_of_newer_models_count_by_their_size():
    for size, tokens in (("1K", 1120), ("4K", 2000)):
        config = {"responseModalities": ["IMAGE"], "imageConfig": {"imageSize": size}}
        assert whole_answer(says("x", config), stamp("gemini-3-pro-image"))["usageMetadata"][
            "candidatesTokenCount"
        ] == (tokens)


# ---- tools of the service


@pytest.mark.parametrize("tool", ["googleSearch", "google_search", "googleSearchRetrieval", "enterpriseWebSearch"])
@pytest.mark.parametrize("is_vertex", [False, True])
def test_a_search_grounds_the_answer_in_byte_offsets(tool, is_vertex):
    answer = whole_answer(says("Wie heißt der Fluß?", tools=[{tool: {}}]), stamp(is_vertex=is_vertex))
    metadata = answer["candidates"][0]["groundingMetadata"]
    assert metadata["webSearchQueries"] == ["Wie heißt der Fluß?"]
    assert "renderedContent" in metadata["searchEntryPoint"]
    data = text_of(answer).encode()
    assert len(metadata["groundingSupports"]) == 2
    assert ("domain" in metadata["groundingChunks"][0]["web"]) == is_vertex
    assert "startIndex" not in metadata["groundingSupports"][0]["segment"]
    for support in metadata["groundingSupports"]:
        segment = support["segment"]
        assert data[segment.get("startIndex", 0) : segment["endIndex"]].decode() == segment["text"]
        assert all(index < len(metadata["groundingChunks"]) for index in support["groundingChunkIndices"])
    usage = answer["usageMetadata"]
    assert usage["toolUsePromptTokenCount"] == 128
    counted = ("promptTokenCount", "candidatesTokenCount", "toolUsePromptTokenCount")
    assert usage["totalTokenCount"] == sum(usage[name] for name in counted)
    names = list(usage)
    assert names.index("promptTokensDetails") < names.index("toolUsePromptTokenCount")


def test_the_pages_behind_urls_are_told():
    body = says("Compare https://example.com/a and https://example.org/b.", tools=[{"urlContext": {}}])
    answer = whole_answer(body, stamp())
    urls = [entry["retrievedUrl"] for entry in answer["candidates"][0]["urlContextMetadata"]["urlMetadata"]]
    assert urls == ["https://example.com/a", "https://example.org/b"]
    assert answer["usageMetadata"]["toolUsePromptTokenCount"] == 2 * 258


def test_code_is_run_when_the_tool_is_on_and_the_prompt_asks():
    body = says("Calculate 12 * 7 + 1 - 5", tools=[{"code_execution": {}}])
    code, result, text = parts_of(whole_answer(body, stamp()))
    assert code["executableCode"] == {"language": "PYTHON", "code": "print(12 * 7 + 1 - 5)\n"}
    assert result["codeExecutionResult"] == {"outcome": "OUTCOME_OK", "output": "80\n"}
    assert text["text"]
    assert len(parts_of(whole_answer(says("hello", tools=[{"codeExecution": {}}]), stamp()))) == 1
    assert len(parts_of(whole_answer(says("Calculate 12 * 7", tools=[{"googleSearch": {}}]), stamp()))) == 1


# ---- safety


@pytest.mark.parametrize("is_vertex", [False, True])
@pytest.mark.parametrize("reason", sorted(BLOCK_REASONS))
def test_a_marked_prompt_is_blocked(reason, is_vertex):
    body = says(f"x [[understudy:block={reason}]]")
    answer = whole_answer(body, stamp(is_vertex=is_vertex))
    assert "candidates" not in answer
    assert answer["promptFeedback"]["blockReason"] == reason
    assert ("blockReasonMessage" in answer["promptFeedback"]) == is_vertex
    assert ("createTime" in answer) == is_vertex
    assert stream_answer(body, stamp(is_vertex=is_vertex)) == [answer]
    assert "candidatesTokenCount" not in answer["usageMetadata"]


@pytest.mark.parametrize("is_vertex", [False, True])
@pytest.mark.parametrize("reason", sorted(FINISH_REASONS))
def test_a_marked_prompt_ends_as_asked(reason, is_vertex):
    body = says(f"x [[understudy:finish={reason}]] y")
    [candidate] = whole_answer(body, stamp(is_vertex=is_vertex))["candidates"]
    if is_vertex and reason in ("LANGUAGE", "MISSING_THOUGHT_SIGNATURE", "ESCALATION", "PUP_LIMITED_DISABLED"):
        reason = "STOP"
    assert candidate["finishReason"] == reason
    assert "understudy:" not in json.dumps(candidate)
    if reason == "SAFETY":
        assert candidate["content"] == {}
        [bad] = [rating for rating in candidate["safetyRatings"] if rating.get("blocked")]
        assert bad["category"] == "HARM_CATEGORY_DANGEROUS_CONTENT" and bad["probability"] == "HIGH"
        assert ("severity" in bad) == is_vertex
    chunks = stream_answer(body, stamp(is_vertex=is_vertex))
    assert [chunk["candidates"][0].get("finishReason") for chunk in chunks][-1] == reason


def test_a_blocked_answer_has_no_probabilities():
    body = says("[[understudy:finish=SAFETY]]", {"responseLogprobs": True})
    assert "logprobsResult" not in whole_answer(body, stamp())["candidates"][0]


def test_a_marker_of_another_name_is_text():
    answer = whole_answer(says("[[understudy:block=NONSENSE]] [[understudy:finish=stop]]"), stamp())
    assert answer["candidates"][0]["finishReason"] == "STOP"


# ---- usage and probabilities


def test_cached_tokens_are_part_of_the_prompt():
    usage = whole_answer(says("hello"), stamp(cached={"TEXT": 100, "IMAGE": 258}))["usageMetadata"]
    assert usage["promptTokenCount"] == 360
    assert usage["cachedContentTokenCount"] == 358
    assert usage["cacheTokensDetails"] == [
        {"modality": "TEXT", "tokenCount": 100},
        {"modality": "IMAGE", "tokenCount": 258},
    ]
    assert usage["promptTokensDetails"][0] == {"modality": "TEXT", "tokenCount": 102}
    counted = count_answer(says("hello"), False, {"TEXT": 100})
    assert (counted["totalTokens"], counted["cachedContentTokenCount"]) == (102, 100)
    assert "cachedContentTokenCount" not in count_answer(says("hello"), True, {"TEXT": 100})


def test_the_tier_and_the_traffic_are_told():
    for name in ("serviceTier", "service_tier"):
        assert whole_answer(says("x", **{name: "FLEX"}), stamp())["usageMetadata"]["serviceTier"] == "flex"
    assert whole_answer(says("x"), stamp())["usageMetadata"]["serviceTier"] == "standard"
    usage = whole_answer(says("x"), stamp(is_vertex=True, traffic_type="ON_DEMAND_FLEX"))["usageMetadata"]
    assert usage["trafficType"] == "ON_DEMAND_FLEX"
    assert "serviceTier" not in usage


@pytest.mark.parametrize("is_vertex", [False, True])
def test_log_probabilities_are_told_when_asked_for(is_vertex):
    config = {"responseLogprobs": True, "logprobs": 3}
    [candidate] = whole_answer(says("hello", config), stamp(is_vertex=is_vertex))["candidates"]
    result = candidate["logprobsResult"]
    text = candidate["content"]["parts"][0]["text"]
    assert "".join(entry["token"] for entry in result["chosenCandidates"]) == text
    assert len(result["topCandidates"]) == len(result["chosenCandidates"])
    for chosen, top in zip(result["chosenCandidates"], result["topCandidates"], strict=True):
        assert top["candidates"][0] == chosen and len(top["candidates"]) == 3
        values = [entry["logProbability"] for entry in top["candidates"]]
        assert values == sorted(values, reverse=True) and values[0] < 0
    average = sum(entry["logProbability"] for entry in result["chosenCandidates"]) / len(result["chosenCandidates"])
    assert candidate["avgLogprobs"] == pytest.approx(average)


def test_log_probabilities_are_not_told_unasked():
    [candidate] = whole_answer(says("hello", {"logprobs": 3}), stamp())["candidates"]
    assert "logprobsResult" not in candidate and "avgLogprobs" not in candidate


def test_computed_tokens_are_as_many_as_counted_and_join_to_the_text():
    body = {"contents": [{"role": "user", "parts": [{"text": "Grüße, Welt"}]}, {"role": "model", "parts": []}]}
    first, second = compute_answer(body)["tokensInfo"]
    assert b"".join(map(b64decode, first["tokens"])).decode() == "Grüße, Welt"
    assert len(first["tokenIds"]) == len(first["tokens"]) == count_answer(body, True)["totalTokens"]
    assert all(number.isdigit() for number in first["tokenIds"])
    assert (first["role"], second) == ("user", {"role": "model"})
    assert compute_answer({"instances": [{"prompt": "hello"}]})["tokensInfo"][0]["tokens"]
    assert count_answer({"instances": [{"prompt": "a bc"}]}, True) == {
        "totalTokens": 1,
        "totalBillableCharacters": 3,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 1}],
    }


# ---- streams

CONFIGS = st.fixed_dictionaries(
    {},
    optional={
        "thinkingConfig": st.fixed_dictionaries(
            {"includeThoughts": st.booleans(), "thinkingBudget": st.integers(-1, 99)}
        ),
        "candidateCount": st.integers(1, 3),
        "maxOutputTokens": st.integers(1, 120),
        "stopSequences": st.lists(st.sampled_from(["said", "the", "\n"]), max_size=2),
        "responseMimeType": st.sampled_from(["text/plain", "application/json"]),
        "responseModalities": st.sampled_from([["TEXT"], ["IMAGE"], ["TEXT", "IMAGE"], ["AUDIO"]]),
        "responseLogprobs": st.booleans(),
    },
)
TOOL_SETS = st.lists(
    st.sampled_from([*TOOLS, {"googleSearch": {}}, {"codeExecution": {}}, {"urlContext": {}}]),
    max_size=3,
    unique_by=str,
)
PROMPTS = st.sampled_from(
    [
        "hello",
        "get_weather now",
        "run 3 * 4",
        "40 words",
        "see https://example.com/x",
        "[[understudy:finish=SAFETY]]",
        "",
    ]
)
STAMPS = st.builds(
    stamp, st.sampled_from(["gemini-2.5-flash", "gemini-3-flash-preview", "gemini-2.5-flash-image"]), st.booleans()
)


def joined(parts):
    """Parts with texts and sounds that follow one another put together, as a client does."""
    whole = []
    for part in parts:
        last = whole[-1] if whole else {}
        if "text" in part and "text" in last and part.get("thought") == last.get("thought"):
            whole[-1] = last | part | {"text": last["text"] + part["text"]}
        elif "inlineData" in part and "inlineData" in last and part["inlineData"]["mimeType"].startswith("audio"):
            data = raw(last["inlineData"]["data"]) + raw(part["inlineData"]["data"])
            whole[-1] = {"inlineData": {"mimeType": part["inlineData"]["mimeType"], "data": data}}
        else:
            whole.append(part)
    return [
        part | {"inlineData": {**part["inlineData"], "data": raw(part["inlineData"]["data"])}}
        if "inlineData" in part
        else part
        for part in whole
    ]


def raw(data):
    return data if isinstance(data, bytes) else b64decode(data)


@given(PROMPTS, CONFIGS, TOOL_SETS, STAMPS)
def test_a_stream_adds_up_to_the_unary_answer(prompt, config, tools, stamped):
    body = says(prompt, config, tools=tools)
    whole = whole_answer(body, stamped)
    chunks = stream_answer(body, stamped)
    assert chunks[-1]["usageMetadata"] == whole["usageMetadata"]
    for candidate in whole["candidates"]:
        index = candidate.get("index", 0)
        mine = [c for chunk in chunks for c in chunk["candidates"] if c.get("index", 0) == index]
        pieces = [part for c in mine for part in c["content"].get("parts", [])]
        assert joined(pieces) == joined(candidate["content"].get("parts", []))
        assert ["finishReason" in c for c in mine] == [False] * (len(mine) - 1) + [True]
        last = {name: value for name, value in mine[-1].items() if name != "content"}
        assert last == {name: value for name, value in candidate.items() if name != "content"}


@given(PROMPTS, CONFIGS, TOOL_SETS, STAMPS)
def test_every_chunk_is_stamped_and_totals_only_grow(prompt, config, tools, stamped):
    chunks = stream_answer(says(prompt, config, tools=tools), stamped)
    assert {chunk["responseId"] for chunk in chunks} == {"rid"}
    assert {chunk["modelVersion"] for chunk in chunks} == {stamped.model}
    assert all(chunk["candidates"] for chunk in chunks)
    usages = [chunk["usageMetadata"] for chunk in chunks]
    if stamped.is_vertex:
        assert all(usage == {"trafficType": "ON_DEMAND"} for usage in usages[:-1])
        assert {chunk["createTime"] for chunk in chunks} == {TIME}
        return
    assert all(candidate["index"] >= 0 for chunk in chunks for candidate in chunk["candidates"])
    for one, next_one in pairwise(usages):
        assert one.get("candidatesTokenCount", 0) <= next_one.get("candidatesTokenCount", 0)
        assert one["promptTokenCount"] == next_one["promptTokenCount"]
        assert one.get("thoughtsTokenCount") == next_one.get("thoughtsTokenCount")


def test_thoughts_come_before_words_and_sources_with_the_last_chunk():
    config = {"thinkingConfig": {"includeThoughts": True}}
    chunks = stream_answer(says("hello", config, tools=[{"googleSearch": {}}]), stamp())
    order = [part.get("thought", False) for chunk in chunks for part in parts_of(chunk)]
    assert order == sorted(order, reverse=True) and len(set(order)) == 2
    sources = [chunk["candidates"][0]["groundingMetadata"] for chunk in chunks]
    assert all(metadata == {} for metadata in sources[:-1])
    assert sources[-1]["groundingChunks"]


def test_speech_is_streamed_in_whole_samples():
    chunks = stream_answer(says("Good day to you"), stamp("gemini-2.5-flash-preview-tts"))
    assert len(chunks) > 1
    sizes = [len(b64decode(part["inlineData"]["data"])) for chunk in chunks for part in parts_of(chunk)]
    assert all(size % 2 == 0 for size in sizes)
    assert sum(sizes) == len("Good day to you") * 3200


# ---- what the services' own descriptions say of it

VERSIONS = {False: ("v1", "v1beta"), True: ("v1", "v1beta1")}
KINDS_OF_PROMPT = [
    says(),
    says("get_time get_weather", tools=TOOLS),
    says("https://example.com run 3 * 4", tools=[{"googleSearch": {}}, {"urlContext": {}}, {"codeExecution": {}}]),
    *(says("x", tools=[{name: {}}]) for name in ("googleSearchRetrieval", "googleMaps", "fileSearch")),
    says("x", {"responseLogprobs": True, "logprobs": 2, "thinkingConfig": {"includeThoughts": True}}),
    *(says(f"[[understudy:block={reason}]]") for reason in sorted(BLOCK_REASONS)),
    *(says(f"[[understudy:finish={reason}]]") for reason in sorted(FINISH_REASONS)),
]


@pytest.mark.parametrize("name", ["gemini-2.5-flash", "gemini-3-flash-preview", "gemini-2.5-flash-image"])
@pytest.mark.parametrize("is_vertex", [False, True])
def test_answers_fit_the_services_own_descriptions(is_vertex, name):
    stamped = stamp(name, is_vertex, cached={"TEXT": 4})
    for version in VERSIONS[is_vertex]:
        described = descriptions("vertex" if is_vertex else "gemini", version)
        for body in KINDS_OF_PROMPT:
            for answer in (whole_answer(body, stamped), *stream_answer(body, stamped)):
                assert answer_mistakes(described, "GenerateContentResponse", answer) == ()
        counted = count_answer(says(), is_vertex, {"TEXT": 3})
        assert answer_mistakes(described, "CountTokensResponse", counted) == ()
