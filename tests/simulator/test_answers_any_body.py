"""No JSON body makes the answers stumble, however odd: they are pure, so they must be total."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategies import dear
from understudy_simulator.answers.counting import compute_answer, count_answer
from understudy_simulator.answers.embeddings import batch_embed_answer, embed_answer, embedding_mistake
from understudy_simulator.answers.generate import Stamp, stream_answer, whole_answer
from understudy_simulator.answers.predictions import predict_answer
from understudy_simulator.answers.schema_values import value_for
from understudy_simulator.catalogue import model_of

WORDS = [
    *("contents", "parts", "text", "role", "tools", "functionDeclarations", "name", "parameters", "generationConfig"),
    *("responseSchema", "responseJsonSchema", "responseMimeType", "stopSequences", "maxOutputTokens", "toolConfig"),
    *("functionCallingConfig", "mode", "functionResponse", "response", "candidateCount", "thinkingConfig"),
    *("includeThoughts", "thinkingBudget", "thinkingLevel", "responseModalities", "imageConfig", "aspectRatio"),
    *(
        "responseFormat",
        "imageSize",
        "responseLogprobs",
        "logprobs",
        "inlineData",
        "fileData",
        "mimeType",
        "data",
        "videoMetadata",
    ),
    *("startOffset", "endOffset", "fps", "mediaResolution", "level", "googleSearch", "urlContext", "codeExecution"),
    *("serviceTier", "seed", "content", "requests", "outputDimensionality", "embedContentConfig", "title", "instances"),
    *("prompt", "image", "video", "bytesBase64Encoded", "sampleCount", "storageUri", "upscaleConfig", "dimension"),
    *("referenceImages", "referenceImage", "personImage", "productImages", "includeRaiReason", "allowedFunctionNames"),
]
SCHEMA_WORDS = [
    *(
        "type",
        "properties",
        "items",
        "required",
        "enum",
        "const",
        "anyOf",
        "oneOf",
        "allOf",
        "not",
        "if",
        "then",
        "$ref",
    ),
    *(
        "$defs",
        "minItems",
        "maxItems",
        "minLength",
        "maxLength",
        "minimum",
        "maximum",
        "exclusiveMinimum",
        "multipleOf",
    ),
    *("pattern", "format", "nullable", "propertyOrdering", "additionalProperties", "minProperties", "prefixItems"),
    *("uniqueItems", "contains", "minContains", "propertyNames", "patternProperties", "dependentRequired"),
]
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(10**18), 10**18)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(
        [
            *(
                "OBJECT",
                "STRING",
                "ARRAY",
                "INTEGER",
                "object",
                "array",
                "string",
                "number",
                "ANY",
                "HIGH",
                "16:9",
                "4K",
            ),
            *("application/json", "text/x.enum", "image/png", "audio/pcm", "video/mp4", "AUDIO", "IMAGE", "1.5s", "#"),
            *(
                "#/properties/type",
                "40 words",
                "run 2 * 3",
                "https://example.com",
                "[[understudy:finish=OTHER]]",
                "\ud800",
            ),
        ]
    )
    | st.text(max_size=12)
)


def trees(words):
    keys = st.sampled_from(words)
    inner = st.recursive(
        SCALARS,
        lambda node: st.lists(node, max_size=3) | st.dictionaries(keys, node, max_size=5),
        max_leaves=25,
    )
    return st.dictionaries(keys, inner, max_size=6)


def asks(content):
    return {"contents": [{"parts": [{"text": "run get_x in 9 words https://a.b"}]}]} | content


BODIES = trees(WORDS)
ANSWERS = BODIES | BODIES.map(asks) | st.builds(lambda config: asks({"generationConfig": config}), trees(WORDS))
MODELS = ["gemini-2.5-flash", "gemini-3-pro-image", "gemini-2.5-flash-preview-tts", "tuned-model"]


@given(ANSWERS, st.sampled_from(MODELS), st.booleans())
def test_any_body_is_answered_in_one_piece_and_in_chunks(body, name, is_vertex):
    stamp = Stamp(is_vertex, name, "rid", "", "call")
    whole = whole_answer(body, stamp)
    assert json.dumps(whole, allow_nan=False)
    assert whole == whole_answer(body, stamp)
    assert stream_answer(body, stamp)[-1]["usageMetadata"] == whole["usageMetadata"]


@given(BODIES | trees(WORDS).map(lambda part: {"contents": [{"parts": [part]}]}))
def test_any_body_is_counted(body):
    assert count_answer(body, True)["totalTokens"] >= 0
    assert json.dumps(compute_answer(body))


@given(BODIES | st.builds(lambda content: {"content": content}, BODIES), st.booleans())
def test_any_body_is_embedded(body, is_vertex):
    model = model_of("text-embedding-005", True)
    assert model is not None
    assert len(embed_answer(body, model, is_vertex)["embedding"]["values"]) <= 768
    assert "embeddings" in batch_embed_answer(body, model, is_vertex)
    assert isinstance(embedding_mistake(body, model), str | None)


@pytest.mark.parametrize("name", ["text-embedding-005", "multimodalembedding@001", "imagen-4.0-generate-001"])
@dear(3)
@given(BODIES | st.builds(lambda one, more: {"instances": [one], "parameters": more}, BODIES, BODIES))
def test_any_body_is_predicted(name, body):
    model = model_of(name, True)
    assert model is not None
    assert json.dumps(predict_answer(body, model), allow_nan=False)


@given(trees(SCHEMA_WORDS), st.integers(0, 3))
def test_any_schema_gets_a_value(schema, seed):
    assert json.dumps(value_for(schema, seed=seed), allow_nan=False)
