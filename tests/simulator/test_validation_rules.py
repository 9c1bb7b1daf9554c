"""What Google checks beyond the form: each rule refuses what breaks it, in its words, and lets the rest pass."""

from typing import Any

import pytest
from description_strategies import free
from hypothesis import given
from hypothesis import strategies as st

from understudy_simulator.validation.rules import request_rules
from understudy_simulator.validation.video_models import video_model

GEMINI_PAGE = "https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/gemini"
USER = {"role": "user", "parts": [{"text": "hi"}]}
MODEL = {"role": "model", "parts": [{"text": "hello"}]}
CALL = {"role": "model", "parts": [{"functionCall": {"name": "f", "args": {}}}]}
RESPONSE = {"role": "user", "parts": [{"functionResponse": {"name": "f", "response": {}}}]}
TWO_CALLS = {"role": "model", "parts": [*CALL["parts"], {"text": "and"}, *CALL["parts"]]}
SAME_NUMBER = (
    "Please ensure that the number of function response parts is equal to the number of function call parts of the "
    "function call turn."
)
CALL_TURN = (
    "Please ensure that function call turn comes immediately after a user turn or after a function response turn."
)
RESPONSE_TURN = "Please ensure that function response turn comes immediately after a function call turn."


def said(
    value: Any, service: Any = "gemini", model: str = "gemini-2.5-flash", method: str = "generateContent"
) -> str | None:
    error = request_rules(service, method, model, value)
    if error is None:
        return None
    assert (error.status, error.details) == (400, ())
    return error.message


def config(**members: Any) -> dict[str, Any]:
    return {"contents": [USER], "generationConfig": members}


@pytest.mark.parametrize(
    ("contents", "gemini", "vertex"),
    [
        (
            [],
            "* GenerateContentRequest.contents: contents is not specified\n",
            f"Unable to submit request because at least one contents field is required. Learn more: {GEMINI_PAGE}",
        ),
        (
            [USER, {"role": "user"}],
            "* GenerateContentRequest.contents[1].parts: contents.parts must not be empty.\n",
            "Unable to submit request because it must include at least one parts field, which describes the prompt "
            f"input. Learn more: {GEMINI_PAGE}",
        ),
        (
            [{"role": "user", "parts": [{"text": "a"}, {"thought": True}]}],
            "* GenerateContentRequest.contents[0].parts[1].data: required oneof field 'data' must have one "
            "initialized field\n",
            "Unable to submit request because it must include at least one parts field, which describes the prompt "
            f"input. Learn more: {GEMINI_PAGE}",
        ),
        (
            [{"role": "user", "parts": [{"text": ""}]}],
            None,
            "Unable to submit request because it has an empty text parameter. Add a value to the parameter and try "
            f"again. Learn more: {GEMINI_PAGE}",
        ),
        ([{"role": "model", "parts": [{"text": "", "thoughtSignature": "YQ=="}]}, USER], None, None),
        (
            [{"role": "assistant", "parts": [{"text": "a"}]}],
            "Please use a valid role: user, model.",
            "Please use a valid role: user, model.",
        ),
        (
            [{"role": "system", "parts": [{"text": "a"}]}, USER],
            "Content with system role is not supported.",
            "Content with system role is not supported.",
        ),
        ([{"parts": [{"text": "a"}]}, MODEL], None, "Please use a valid role: user, model."),
        ([{"parts": [{"text": "a"}]}], None, None),
        ([{"role": "user", "parts": {"inline_data": {"mimeType": "image/png", "data": ""}}}], None, None),
        ([USER, MODEL, USER, USER], None, None),
        ([USER, CALL, RESPONSE], None, None),
        ([USER, CALL, {**RESPONSE, "role": "function"}, CALL, RESPONSE, MODEL, USER], None, None),
        ([USER, CALL], None, None),
        ([USER, MODEL, CALL, RESPONSE], CALL_TURN, CALL_TURN),
        ([CALL, RESPONSE], CALL_TURN, CALL_TURN),
        ([USER, RESPONSE], RESPONSE_TURN, RESPONSE_TURN),
        ([USER, TWO_CALLS, RESPONSE], SAME_NUMBER, SAME_NUMBER),
        ([USER, CALL, USER], SAME_NUMBER, SAME_NUMBER),
    ],
)
def test_contents(contents: Any, gemini: str | None, vertex: str | None):
    assert said({"contents": contents}) == gemini
    assert said({"contents": contents}, "vertex") == vertex


def test_a_system_instruction_has_parts_with_data():
    value = {"contents": [USER], "system_instruction": {"parts": [{}]}}
    assert said(value) == (
        "* GenerateContentRequest.system_instruction.parts[0].data: required oneof field 'data' must have one "
        "initialized field\n"
    )
    assert said({"contents": [USER], "systemInstruction": {"parts": [{"text": "Be kind"}]}}) is None


def test_tokens_are_counted_of_contents():
    assert said({}, method="countTokens") == "* CountTokensRequest.contents: contents is not specified\n"
    assert said({"generateContentRequest": {"contents": [USER]}}, method="countTokens") is None
    assert said({"instances": [{"content": "a"}]}, "vertex", "text-embedding-005", "countTokens") is None
    assert said({"instances": [{"prompt": "a"}]}, "vertex", method="computeTokens") is None


@pytest.mark.parametrize(
    ("name", "value", "limits"),
    [
        ("temperature", 2.5, "from 0 (inclusive) to 2.0001 (exclusive)"),
        ("temperature", -0.5, "from 0 (inclusive) to 2.0001 (exclusive)"),
        ("temperature", "2.5", "from 0 (inclusive) to 2.0001 (exclusive)"),
        ("topP", 1.5, "from 0 (inclusive) to 1 (inclusive)"),
        ("candidateCount", 9, "from 1 (inclusive) to 9 (exclusive)"),
        ("candidateCount", 0, "from 1 (inclusive) to 9 (exclusive)"),
        ("presencePenalty", 2, "from -2 (inclusive) to 2 (exclusive)"),
        ("frequencyPenalty", -2.5, "from -2 (inclusive) to 2 (exclusive)"),
        ("logprobs", 21, "from 0 (inclusive) to 21 (exclusive)"),
        ("maxOutputTokens", 0, "from 1 (inclusive) to 65537 (exclusive)"),
        ("maxOutputTokens", 65537, "from 1 (inclusive) to 65537 (exclusive)"),
    ],
)
@pytest.mark.parametrize("service", ["gemini", "vertex"])
def test_numbers_out_of_range(service: str, name: str, value: Any, limits: str):
    assert said(config(**{name: value}), service) == (
        f"Unable to submit request because it has a {name} value of {value} but the supported range is {limits}. "
        "Update the value and try again."
    )


@pytest.mark.parametrize(
    "members",
    [
        {"temperature": 0},
        {"temperature": 2, "top_p": 1.0, "candidate_count": 8, "presence_penalty": -2},
        {"maxOutputTokens": 65536, "stopSequences": list("abcde")},
        {"temperature": None, "topK": 64, "seed": -1},
    ],
)
def test_numbers_at_their_limits_pass(members: dict[str, Any]):
    assert said(config(**members)) is None


def test_a_model_has_an_output_limit_of_its_own():
    assert "to 8193 (exclusive)" in (said(config(maxOutputTokens=8193), model="gemini-2.0-flash") or "")
    assert said(config(maxOutputTokens=8192), model="gemini-2.0-flash") is None
    assert said(config(maxOutputTokens=65536), model="my-tuned-model") is None


def test_five_stop_sequences_are_enough():
    assert said(config(stopSequences=list("abcdef"))) == (
        "* GenerateContentRequest.generation_config.stop_sequences: stop_sequences must have at most 5 items\n"
    )


def test_the_media_type_of_an_answer_is_one_that_models_write():
    assert (said(config(responseMimeType="text/html")) or "").startswith(
        "* GenerateContentRequest.generation_config.response_mime_type: allowed mimetypes are `text/plain`"
    )
    assert said(config(responseMimeType="text/html"), "vertex") == (
        "Unable to submit request because it has a mimeType parameter with value text/html, which is not supported. "
        f"Update the mimeType and try again. Learn more: {GEMINI_PAGE}"
    )
    assert said(config(responseMimeType="audio/wav"), model="gemini-2.5-flash-preview-tts") is None


def test_a_schema_comes_with_json():
    schema = {"type": "STRING"}
    refused = "only allowed with response_mime_type"
    assert refused in (said(config(responseSchema=schema)) or "")
    assert refused in (said(config(response_json_schema=schema, responseMimeType="text/plain"), "vertex") or "")
    assert said(config(responseSchema=schema, responseMimeType="application/json")) is None
    assert said(config(responseSchema={**schema, "enum": ["a"]}, responseMimeType="text/x.enum")) is None


def test_older_models_write_no_json_beside_functions():
    value = config(responseMimeType="application/json") | {"tools": [{"functionDeclarations": [{"name": "f"}]}]}
    assert said(value) == "Function calling with a response mime type: 'application/json' is unsupported"
    assert said(value, model="gemini-3-flash-preview") is None
    assert said(value | {"tools": [{"googleSearch": {}}]}) is None


def test_a_model_answers_in_the_modalities_it_has():
    assert said(config(responseModalities=["AUDIO"])) == (
        "The requested combination of response modalities (AUDIO) is not supported by the model. "
        "models/gemini-2.5-flash accepts the following combination of response modalities:\n* TEXT\n"
    )
    assert said(config(responseModalities=["AUDIO"]), model="gemini-2.5-flash-preview-tts") is None
    assert "* AUDIO\n" in (said(config(responseModalities=["TEXT"]), model="gemini-2.5-flash-preview-tts") or "")
    assert said(config(responseModalities=["Text", "Image"]), model="gemini-2.5-flash-image") is None
    assert said(config(responseModalities=["AUDIO"]), model="my-tuned-model") is None


@pytest.mark.parametrize(
    ("model", "thinking", "gemini", "vertex"),
    [
        ("gemini-2.5-flash", {"thinkingBudget": 0}, None, None),
        ("gemini-2.5-flash", {"thinkingBudget": -1, "includeThoughts": True}, None, None),
        ("gemini-2.5-pro", {"thinkingBudget": 128}, None, None),
        (
            "gemini-2.5-pro",
            {"thinking_budget": 0},
            "Budget 0 is invalid. This model only works in thinking mode.",
            "Unable to submit request because Thinking can't be disabled for this model. Remove "
            f"'thinking_config.thinking_budget' from your request and try again. Learn more: {GEMINI_PAGE}",
        ),
        (
            "gemini-2.5-flash",
            {"thinkingBudget": 52428},
            "The thinking budget 52428 is invalid. Please choose a value between 1 and 24576.",
            "Unable to submit request because thinking_budget is out of range; supported values are integers from 1 "
            f"to 24576. Learn more: {GEMINI_PAGE}",
        ),
        (
            "gemini-2.5-flash-lite",
            {"thinkingBudget": 100},
            "The thinking budget 100 is invalid. Please choose a value between 512 and 24576.",
            "Unable to submit request because thinking_budget is out of range; supported values are integers from 512 "
            f"to 24576. Learn more: {GEMINI_PAGE}",
        ),
        (
            "gemini-2.5-pro",
            {"thinkingLevel": "LOW"},
            "Thinking level is not supported for this model.",
            "Unable to submit request because thinking level is not supported for this model.",
        ),
        ("gemini-3-flash-preview", {"thinkingLevel": "LOW"}, None, None),
        (
            "gemini-3-flash-preview",
            {"thinkingLevel": "LOW", "thinkingBudget": 200},
            "You can only set only one of thinking budget and thinking level.",
            "You can only set only one of thinking budget and thinking level.",
        ),
        (
            "gemini-2.0-flash",
            {"includeThoughts": True},
            f"Unable to submit request because thinking is not supported by this model. Learn more: {GEMINI_PAGE}",
            f"Unable to submit request because thinking is not supported by this model. Learn more: {GEMINI_PAGE}",
        ),
        ("gemini-2.0-flash", {"thinkingBudget": 0}, None, None),
    ],
)
def test_thinking(model: str, thinking: Any, gemini: str | None, vertex: str | None):
    assert said(config(thinkingConfig=thinking), model=model) == gemini
    assert said(config(thinkingConfig=thinking), "vertex", model) == vertex


def declared(*functions: Any, **others: Any) -> dict[str, Any]:
    return {"contents": [USER], "tools": [{"functionDeclarations": list(functions)}], **others}


def test_functions_have_names_that_can_be_called_once_each():
    for name in ("", "1st", "what?", "x" * 129, None):
        message = said(declared({"name": "fine"}, {"name": name}))
        assert message is not None
        assert message.startswith(
            "* GenerateContentRequest.tools[0].function_declarations[1].name: Invalid function name."
        )
    assert said(declared({"name": "f"}, {"name": "f"})) == "Duplicate function declaration found: f"
    assert said(declared({"name": "server.tool-1"}, {"name": "_x"})) is None


def test_schemas_say_enough():
    place = "GenerateContentRequest.tools[0].function_declarations[0].parameters"
    properties = {"a": {"type": "array"}, "b": {"type": "INTEGER", "enum": ["1"]}, "c": {"anyOf": [{"type": "ARRAY"}]}}
    parameters = {"type": "OBJECT", "properties": properties, "required": ["a", "z"]}
    assert said(declared({"name": "f", "parameters": parameters})) == (
        f"* {place}.required[1]: property is not defined\n"
        f"* {place}.properties[a].items: missing field.\n"
        f"* {place}.properties[b].enum: only allowed for STRING type\n"
        f"* {place}.properties[c].any_of[0].items: missing field.\n"
    )
    assert said(declared({"name": "f", "parameters": parameters}), "vertex") is None
    schema = config(responseMimeType="application/json", responseSchema={"type": "ARRAY"})
    assert said(schema) == "* GenerateContentRequest.generation_config.response_schema.items: missing field.\n"
    for inner, words in (
        ({"type": "array"}, "properties[a].items: missing field."),
        ({"type": "number", "enum": ["1"]}, "properties[a].enum: only allowed for STRING type"),
        ({"anyOf": [{"type": "ARRAY"}]}, "properties[a].any_of[0].items: missing field."),
        (
            {"type": "ARRAY", "items": {"type": "OBJECT", "required": ["x"]}},
            "items.required[0]: property is not defined",
        ),
    ):
        found = said(declared({"name": "f", "parameters": {"type": "OBJECT", "properties": {"a": inner}}}))
        assert found is not None
        assert words in found
    good = {"type": "object", "properties": {"a": {"type": "array", "items": {"type": "string", "enum": ["x"]}}}}
    assert said(declared({"name": "f", "parameters": good | {"required": ["a"]}})) is None


def test_allowed_names_go_with_the_mode_any():
    calling = {"mode": "AUTO", "allowedFunctionNames": ["f"]}
    refused = said(declared({"name": "f"}, toolConfig={"functionCallingConfig": calling}))
    assert "should only be set when the mode is ANY or VALIDATED" in (refused or "")
    assert said(declared({"name": "f"}, tool_config={"function_calling_config": {**calling, "mode": "any"}})) is None


# Video


def video(*, model: str = "veo-3.0-generate-001", service: str = "gemini", **members: Any) -> str | None:
    instance = members.pop("instance", {"prompt": "A cat"})
    value = {"instances": [instance]} | ({"parameters": members} if members else {})
    return said(value, service, model, "predictLongRunning")


def unsupported(name: str) -> str:
    return (
        f"`{name}` isn't supported by this model. Please remove it or refer to the Gemini API documentation for "
        "supported usage."
    )


def bound(name: str, least: int, most: int) -> str:
    return (
        f"The number value for `{name}` is out of bound. Please provide a value between {least} and {most}, inclusive."
    )


IMAGE = {"bytesBase64Encoded": "YQ==", "mimeType": "image/png"}


@pytest.mark.parametrize(
    ("instance", "message"),
    [
        ({"prompt": "x", "config": {"duration": "8s"}}, unsupported("config")),
        ({"image": {"inlineData": {"data": "YQ=="}}}, "`inlineData` isn't supported by this model."),
        ({"prompt": "x", "lastFrame": {"fileUri": "u"}}, unsupported("lastFrame")),
        ({"prompt": "x", "video": {"uri": "u"}}, unsupported("video")),
        ({"prompt": "x", "image": {"gcsUri": "gs://b/o"}}, "`gcsUri` isn't supported by this model."),
        ({"prompt": "x", "mask": IMAGE}, unsupported("mask")),
        ({"negative": 1}, unsupported("negative")),
        ({}, "The `prompt` field is required unless `image` or `video` is given."),
        ({"prompt": 7}, "The value type for `prompt` needs to be a string."),
        ({"image": "YQ=="}, "The value type for `image` needs to be an object."),
        ({"image": {"mimeType": "image/png"}}, "The `image` field needs `bytesBase64Encoded`."),
        (
            {"image": {"bytesBase64Encoded": "YQ==", "mimeType": "image/gif"}},
            "The value for `mimeType` is not supported. Please use one of: image/jpeg, image/png, image/webp.",
        ),
        (
            {"prompt": "x", "referenceImages": [{"image": IMAGE, "referenceType": "asset"}]},
            unsupported("referenceImages"),
        ),
        ({"image": IMAGE}, None),
    ],
)
def test_veo_instances(instance: Any, message: str | None):
    assert video(instance=instance) == message


ASSET = {"image": IMAGE, "referenceType": "asset"}


@pytest.mark.parametrize(
    ("instance", "message"),
    [
        ({"prompt": "x", "image": IMAGE, "lastFrame": IMAGE}, None),
        ({"prompt": "x", "image": IMAGE, "lastFrame": {"fileUri": "u"}}, "`fileUri` isn't supported by this model."),
        ({"prompt": "x", "lastFrame": IMAGE}, "The `lastFrame` field needs an `image`."),
        ({"lastFrame": IMAGE}, "The `prompt` field is required unless `image` or `video` is given."),
        ({"prompt": "x", "referenceImages": [ASSET]}, None),
        (
            {"prompt": "x", "referenceImages": [ASSET], "image": IMAGE},
            "`referenceImages` and `image` cannot be used together.",
        ),
        ({"prompt": "x", "video": {"uri": "u"}}, None),
        ({"video": {"uri": "u"}}, None),
        ({"video": {"encodedVideo": "YQ==", "encoding": "video/mp4"}}, None),
        ({"prompt": "x", "video": []}, "The value type for `video` needs to be an object."),
        ({"prompt": "x", "video": {"mimeType": "video/mp4"}}, "The `video` field needs `uri`."),
        ({"prompt": "x", "video": {"uri": "u"}, "image": IMAGE}, "`video` and `image` cannot be used together."),
        (
            {"prompt": "x", "referenceImages": [{"image": IMAGE, "referenceType": "mood"}]},
            "The value for `referenceType` is not supported. Please use one of: asset.",
        ),
    ],
)
def test_modes_of_veo_3_1(instance: Any, message: str | None):
    assert video(model="veo-3.1-generate-preview", instance=instance) == message


def test_what_vertex_takes_where_the_gemini_api_does_not():
    for instance in ({"prompt": "x", "image": IMAGE, "lastFrame": IMAGE}, {"video": {"gcsUri": "gs://b/o"}}):
        for model in ("veo-2.0-generate-001", "veo-3.0-generate-001"):
            assert video(model=model, instance=instance, service="vertex") is None
            assert video(model=model, instance=instance) is not None
    away = {"prompt": "x", "image": {"gcsUri": "https://b/o"}}
    assert video(instance=away, service="vertex") == (
        "The `gcsUri` of `image` must be a Cloud Storage URI (gs://bucket/object)."
    )
    assert video(model="veo-3.1-lite-generate-001", instance={"video": {"gcsUri": "gs://b/o"}}, service="vertex") == (
        unsupported("video")
    )


def test_one_instance_alone():
    two = {"instances": [{"prompt": "x"}] * 2}
    assert said(two, "vertex", "veo-3.1-generate-001", "predictLongRunning") == (
        "1 instance(s) is allowed per prediction. Actual: 2."
    )


def test_extensions_have_eight_seconds_of_720p():
    model, instance = "veo-3.1-generate-preview", {"prompt": "x", "video": {"uri": "u"}}
    assert video(model=model, instance=instance, durationSeconds=8, resolution="720p") is None
    assert video(model=model, instance=instance, durationSeconds=6) == bound("durationSeconds", 8, 8)
    assert video(model=model, instance=instance, resolution="1080p") == (
        "The value for `resolution` is not supported. Please use one of: 720p."
    )


@pytest.mark.parametrize(
    ("model", "instance", "allowed"),
    [
        ("veo-3.1-generate-preview", {"prompt": "x"}, {"allow_all"}),
        ("veo-3.1-generate-preview", {"prompt": "x", "video": {"uri": "u"}}, {"allow_all"}),
        ("veo-3.1-generate-preview", {"prompt": "x", "image": IMAGE}, {"allow_adult"}),
        ("veo-3.1-generate-preview", {"prompt": "x", "referenceImages": [ASSET]}, {"allow_adult"}),
        ("veo-2.0-generate-001", {"prompt": "x"}, {"allow_all", "allow_adult", "dont_allow"}),
        ("veo-2.0-generate-001", {"prompt": "x", "image": IMAGE}, {"allow_adult", "dont_allow"}),
    ],
)
def test_people_by_mode(model: str, instance: Any, allowed: set[str]):
    for word in ("allow_all", "allow_adult", "dont_allow"):
        told = video(model=model, instance=instance, personGeneration=word)
        assert told == (None if word in allowed else f"`{word}` for personGeneration is currently not supported.")
        if "video" not in instance and "referenceImages" not in instance:
            assert video(model=model, instance=instance, personGeneration=word, service="vertex") is None


def test_vertex_takes_storage_uris_and_masks():
    assert video(instance={"prompt": "x", "image": {"gcsUri": "gs://b/o"}, "mask": IMAGE}, service="vertex") is None
    assert said({"instances": []}, method="predictLongRunning") == "Request contains an invalid argument."
    assert said({"instances": [{"prompt": "x"}], "parameters": [1]}, method="predictLongRunning") is not None


@pytest.mark.parametrize(
    ("model", "parameters", "message"),
    [
        ("veo-3.0-generate-001", {"durationSeconds": 8, "resolution": "1080p", "aspectRatio": "9:16"}, None),
        (
            "veo-3.0-generate-001",
            {"durationSeconds": "8"},
            "The value type for `durationSeconds` needs to be a number.",
        ),
        ("veo-3.0-generate-001", {"durationSeconds": 3}, bound("durationSeconds", 4, 8)),
        ("veo-3.0-generate-001", {"durationSeconds": 5}, bound("durationSeconds", 4, 8)),
        ("veo-3.0-generate-001", {"durationSeconds": 6, "resolution": "1080p"}, bound("durationSeconds", 8, 8)),
        ("veo-2.0-generate-001", {"durationSeconds": 5}, None),
        ("veo-2.0-generate-001", {"durationSeconds": 4}, bound("durationSeconds", 5, 8)),
        ("veo-2.0-generate-001", {"resolution": "720p"}, unsupported("resolution")),
        (
            "veo-3.0-generate-001",
            {"resolution": "4k"},
            "The value for `resolution` is not supported. Please use one of: 720p, 1080p.",
        ),
        ("veo-3.1-generate-preview", {"resolution": "4k", "durationSeconds": 8}, None),
        (
            "veo-3.1-lite-generate-preview",
            {"resolution": "4k"},
            "The value for `resolution` is not supported. Please use one of: 720p, 1080p.",
        ),
        (
            "veo-3.0-generate-001",
            {"aspectRatio": "1:1"},
            "The value for `aspectRatio` is not supported. Please use one of: 16:9, 9:16.",
        ),
        (
            "veo-3.0-generate-001",
            {"personGeneration": "everyone"},
            "The value for `personGeneration` is not supported. Please use one of: allow_all, allow_adult, dont_allow.",
        ),
        ("veo-3.0-generate-001", {"sampleCount": 5}, bound("sampleCount", 1, 4)),
        ("veo-3.0-generate-001", {"numberOfVideos": 1}, unsupported("numberOfVideos")),
        ("veo-3.0-generate-001", {"enhancePrompt": "yes"}, "The value type for `enhancePrompt` needs to be a boolean."),
        ("veo-3.0-generate-001", {"generateAudio": True}, unsupported("generateAudio")),
    ],
)
def test_veo_parameters(model: str, parameters: Any, message: str | None):
    assert video(model=model, **parameters) == message


def test_vertex_has_parameters_of_its_own():
    own = {"generateAudio": True, "storageUri": "gs://b", "fps": 24, "compressionQuality": "lossless", "seed": 7}
    assert video(service="vertex", resizeMode="pad", **own) is None
    assert video(service="vertex", resizeMode="stretch") is not None
    assert video(service="vertex", seed=-1) == bound("seed", 0, 2**32 - 1)
    assert video(service="vertex", model="veo-2.0-generate-001", generateAudio=True) == unsupported("generateAudio")
    assert video(service="vertex", model="veo-2.0-generate-001", generateAudio=False, enhancePrompt=False) is None
    assert video(service="vertex", enhancePrompt=False) == "Veo 3 prompt enhancement cannot be disabled."
    assert (
        video(service="vertex", storageUri="/tmp")
        == "The `storageUri` must be a Cloud Storage URI (gs://bucket/prefix)."
    )
    assert video(service="vertex", storageUri=3) == "The value type for `storageUri` needs to be a string."
    assert video(service="vertex", negativePrompt=["a"]) == "The value type for `negativePrompt` needs to be a string."
    assert video(service="vertex", fps=121) == bound("fps", 1, 120)
    assert video(service="vertex", durationSeconds=4.5) == bound("durationSeconds", 4, 8)
    assert video(service="vertex", sampleCount=1.5) == bound("sampleCount", 1, 4)


@given(
    st.sampled_from(
        [f"veo-{name}-001" for name in ("2.0-generate", "3.0-generate", "3.1-generate", "3.1-lite-generate")]
    ),
    st.sampled_from(["16:9", "9:16", "1:1"]),
    st.sampled_from(["720p", "1080p", "4k", "480p"]),
    st.integers(3, 9),
    st.integers(0, 5),
)
def test_what_passes_is_what_the_table_offers(model: str, aspect: str, resolution: str, seconds: int, count: int):
    offered = video_model(model)
    known = {"aspectRatio": aspect, "durationSeconds": seconds, "sampleCount": count}
    if offered.resolutions:
        known["resolution"] = resolution
    passes = aspect in ("16:9", "9:16") and seconds in offered.seconds and 1 <= count <= 4
    if offered.resolutions:
        passes = passes and resolution in offered.resolutions and (resolution == "720p" or seconds == 8)
    assert (video(model=model, service="vertex", **known) is None) == passes


def test_references_need_eight_seconds():
    references = [{"image": IMAGE, "referenceType": "asset"}] * 3
    model = "veo-3.1-generate-preview"
    assert video(model=model, instance={"prompt": "x", "referenceImages": references}, durationSeconds=8) is None
    assert video(model=model, instance={"prompt": "x", "referenceImages": references}, durationSeconds=4) == bound(
        "durationSeconds", 8, 8
    )
    assert video(model=model, instance={"prompt": "x", "referenceImages": references * 2}) == bound(
        "referenceImages", 1, 3
    )


def test_one_picture_gives_the_style_of_the_one_model_that_takes_it():
    style = [{"image": IMAGE, "referenceType": kind} for kind in ("asset", "style")]
    model = "veo-2.0-generate-exp"
    assert video(model=model, instance={"prompt": "x", "referenceImages": style[1:]}) is None
    assert video(model=model, instance={"prompt": "x", "referenceImages": style}) == bound("referenceImages", 1, 1)
    for other in ("veo-3.1-generate-preview", "veo-3.1-fast-generate-001"):
        message = "The value for `referenceType` is not supported. Please use one of: asset."
        assert video(model=other, instance={"prompt": "x", "referenceImages": style[1:]}) == message
        assert video(model=other, instance={"prompt": "x", "referenceImages": style[:1]}) is None


members = st.sampled_from(
    [
        *("prompt", "image", "lastFrame", "video", "mask", "referenceImages", "content", "resolution", "aspectRatio"),
        *("durationSeconds", "sampleCount", "seed", "personGeneration", "generateAudio", "mode", "upscaleConfig"),
    ]
)


@given(
    st.sampled_from(["gemini", "vertex"]),
    st.sampled_from(
        ["veo-3.1-generate-preview", "veo-2.0-generate-001", "imagen-4.0-generate-001", "text-embedding-005"]
    ),
    st.sampled_from(["predict", "predictLongRunning"]),
    st.lists(st.dictionaries(members, free, max_size=3) | free, max_size=3) | free,
    st.dictionaries(members, free, max_size=4) | free,
)
def test_free_values_do_not_make_a_rule_stumble(service: Any, model: str, method: str, instances: Any, parameters: Any):
    message = said({"instances": instances, "parameters": parameters}, service, model, method)
    assert message is None or message


# Predict and embed


def test_imagen():
    def image(model: str = "imagen-4.0-generate-001", **members: Any) -> str | None:
        return said({"instances": [{"prompt": "A cat"}]} | members, "vertex", model, "predict")

    assert image(parameters={"sampleCount": 4, "aspectRatio": "3:4"}) is None
    assert "between 1 and 4, not 9" in (image(parameters={"sampleCount": 9}) or "")
    assert "Unsupported aspect ratio: 7:1" in (image(parameters={"aspectRatio": "7:1"}) or "")
    assert "Text prompt is empty" in (image(instances=[{"image": {}}]) or "")
    assert image(instances=[{"image": {}}], parameters={"mode": "upscale"}) is None
    assert image("image-segmentation-001", instances=[{"image": {}}]) is None
    assert image(instances=[]) == "Request contains an invalid argument."


def test_embeddings():
    content = {"parts": [{"text": "a"}]}
    one = {"model": "models/gemini-embedding-001", "content": content}
    batch = "batchEmbedContents"
    assert said({"content": content}, method="embedContent") is None
    assert said({}, method="embedContent") == "* EmbedContentRequest.content: contents is not specified\n"
    assert said({"requests": [one] * 100}, method=batch) is None
    assert said({"requests": [one] * 101}, method=batch) == (
        "* BatchEmbedContentsRequest.requests: at most 100 requests can be in one batch\n"
    )
    assert "at least one request" in (said({"requests": []}, method=batch) or "")
    assert said({"requests": [one, {"content": content}]}, method=batch) == (
        "* BatchEmbedContentsRequest.requests[1].model: unexpected model name format\n"
    )
    assert said({"requests": [{"content": content}]}, "vertex", method=batch) is None
    assert said({"requests": [{"model": "models/m"}]}, method=batch) is not None
    predict = ("vertex", "text-embedding-005", "predict")
    assert said({"instances": [{"content": "a"}]}, *predict) is None
    assert said({"instances": [{"content": ""}]}, *predict) == "The text content is empty."
    assert said({"instances": [{"content": "a"}] * 251}, *predict) == (
        "250 instance(s) is allowed per prediction. Actual: 251."
    )


def test_other_methods_have_no_rules():
    assert said({}, method="list") is None
