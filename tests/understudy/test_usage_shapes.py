"""Readers of embeddings, pictures, partners, caches and batches: the shapes that stand on the wire."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategies import splits
from understudy.usage.operations import OperationReader
from understudy.usage.partners import PartnerReader, PartnerStreamReader
from understudy.usage.predictions import LeanBody, PredictionReader
from understudy.usage.readers import reader_for
from understudy.usage.reading import CacheReading, Content, Reading
from understudy.usage.requests import (
    LONGEST_TEXT,
    RequestReading,
    billable,
    is_by_character,
    needs_content,
    needs_request,
    request_reading,
)
from understudy.usage.resources import MOST_LINES, BatchLinesReader, batch_lines
from understudy.usage.tokens import Form


def read(reader, *pieces: bytes) -> Reading:
    for piece in pieces:
        reader.feed(piece)
    return reader.finish()


def body(value) -> bytes:
    return json.dumps(value).encode()


def lean(data: bytes, pieces=None):
    reader = LeanBody()
    for piece in pieces or [data]:
        reader.feed(piece)
    return reader.value


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        ({"a": [0.5, -1, 2e9], "b": 3}, {"a": [0], "b": 3}),
        ({"a": [], "b": ["x", "y"]}, {"a": [], "b": ["x", "y"]}),
        ({"a": [[1, 2], [3]], "b": [{"c": [4]}]}, {"a": [[0], [0]], "b": [{"c": [0]}]}),
        ([1, 2], [0]),
        ({"a": "[1, 2]"}, {"a": "[1, 2]"}),
    ],
)
@pytest.mark.parametrize("indent", [None, 3])
def test_lists_of_numbers_are_dropped_and_nothing_else(value, kept, indent):
    assert lean(json.dumps(value, indent=indent).encode()) == kept


@given(st.data())
def test_a_lean_body_is_the_same_at_any_split(data):
    wire = json.dumps({"a": [1.5, 2], "b": [], "c": [{"d": [[-3]]}], "e": "x[1"}, indent=1).encode()
    assert lean(wire, data.draw(splits(wire))) == {"a": [0], "b": [], "c": [{"d": [[0]]}], "e": "x[1"}


def test_megabytes_of_vectors_are_read():
    vector = [0.123456789] * 3072
    answer = {"predictions": [{"embeddings": {"values": vector, "statistics": {"token_count": 4}}}] * 60}
    assert read(PredictionReader(), body(answer)) == Reading({"embeddings": 60, "tokens": 240}, form=Form.EMBEDDING)


def test_an_answer_of_many_small_things_is_bounded():
    found = read(PredictionReader(), body({"predictions": [{"prompt": "x" * 900}] * 2000}))
    assert found.problem is not None
    assert "more than" in found.problem


@pytest.mark.parametrize(
    ("value", "usage", "form"),
    [
        ({"predictions": [{"mimeType": "image/png"}]}, {"pictures": 0}, Form.PREDICTION),
        ({"predictions": [{"raiFilteredReason": "x"}]}, {"filtered": 1, "pictures": 0}, Form.PREDICTION),
        ({"embedding": {"values": [1]}, "tokenCount": "7"}, {"embeddings": 1, "tokens": 7}, Form.EMBEDDING),
        ({"embeddings": [{}, {}]}, {"embeddings": 2}, Form.EMBEDDING),
        (
            {"predictions": [{"content": "hi"}], "metadata": {"tokenMetadata": {
                "inputTokenCount": {"totalTokens": 3, "totalBillableCharacters": 9},
                "outputTokenCount": {"totalTokens": 1, "totalBillableCharacters": 2}}}},
            {"input_characters": 9, "output_characters": 2},
            Form.PREDICTION,
        ),
    ],
)  # fmt: skip
def test_shapes_of_predictions(value, usage, form):
    assert read(PredictionReader(), body(value)) == Reading(usage, form=form)


def test_an_error_in_place_of_predictions_is_no_answer():
    assert read(PredictionReader(), body({"error": {"code": 400}})) == Reading(is_whole=False)
    assert read(PredictionReader(), b"[]").problem == "the answer is not a JSON object"


def events(*values) -> bytes:
    return b"".join(b"event: e\ndata: " + (v if isinstance(v, bytes) else body(v)) + b"\n\n" for v in values)


def test_claudes_stream_gives_its_input_at_the_start_and_its_output_at_the_end():
    start = {"type": "message_start", "message": {"model": "c", "usage": {"input_tokens": 3, "output_tokens": 1}}}
    delta = {"type": "message_delta", "delta": {}, "usage": {"output_tokens": 12}}
    whole = events(start, {"type": "content_block_delta"}, delta, {"type": "message_stop"})
    assert read(PartnerStreamReader(), whole) == Reading(
        {"input_tokens": 3, "output_tokens": 12}, model_version="c", form=Form.CLAUDE
    )
    assert not read(PartnerStreamReader(), events(start, delta)).is_whole
    assert not read(PartnerStreamReader(), events(start, {"type": "error", "error": {}})).is_whole


def test_openais_stream_has_its_usage_in_the_last_chunk():
    usage = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
    wire = events({"model": "google/gemini-x", "choices": [{}]}, {"choices": [], "usage": usage}, b"[DONE]")
    assert read(PartnerStreamReader(), wire) == Reading(usage, model_version="gemini-x", form=Form.OPENAI)
    assert read(PartnerStreamReader(), events({"choices": []}, b"[DONE]")).usage is None


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"nonsense", "the body is not a JSON object"),
        (body({"usage": {"input_tokens": "many"}}), "usage.input_tokens is not a count"),
        (body({"usage": {"prompt_tokens": 1.5}}), "usage.prompt_tokens is not a count"),
        (body({"content": ["x" * 1000] * 2000}), "the body holds more than 1048576 bytes beside long strings"),
    ],
)
def test_a_partners_answer_that_cannot_be_counted_says_why(data, problem):
    assert read(PartnerReader(), data).problem == problem


CACHE = {
    "name": "projects/1/locations/l/cachedContents/c",
    "model": "projects/p/locations/l/publishers/google/models/m",
    "createTime": "2026-11-21T10:00:00Z",
    "expireTime": "2026-11-21T11:00:00Z",
    "usageMetadata": {"totalTokenCount": 5},
}


def test_a_new_cached_content_is_read_and_other_new_things_are_not():
    found = read(reader_for("list", "application/json", ""), body(CACHE)).cache
    assert found == CacheReading(CACHE["name"], "m", 5, CACHE["createTime"], CACHE["expireTime"])
    assert read(reader_for("list", "application/json", ""), body({"name": "files/f"})).cache is None


@pytest.mark.parametrize(
    ("line", "form"),
    [
        ({"response": {"usageMetadata": {"promptTokenCount": 1}}}, Form.GENERATE),
        ({"usageMetadata": {"promptTokenCount": 1}}, Form.GENERATE),
        ({"response": {"embedding": {}, "tokenCount": 3}}, Form.EMBEDDING),
        ({"request": {}, "response": {"usage": {"input_tokens": 1}}, "status": ""}, Form.CLAUDE),
        ({"response": {"status_code": 200, "body": {"usage": {"prompt_tokens": 1}}}}, Form.OPENAI),
        ({"instance": {}, "prediction": {"predictions": [{"gcsUri": "x"}]}}, Form.PREDICTION),
    ],
)
def test_lines_of_a_batch_of_every_shape(line, form):
    batch = batch_lines(body(line) + b"\n\n").batch
    assert batch is not None
    assert ([reading.form for reading in batch.lines], batch.failed) == ([form], 0)


@pytest.mark.parametrize(
    "line",
    [
        {"key": "k", "error": {"code": 3}},
        {"response": {}, "status": "Bad"},
        {"key": "k"},
        {"response": {"error": 1}},
        {"response": {"usage": {"input_tokens": 1}}, "status": "Internal"},
    ],
)
def test_failed_lines_of_a_batch_are_counted_apart(line):
    batch = batch_lines(body(line)).batch
    assert batch is not None
    assert (batch.lines, batch.failed) == ((), 1)


@given(st.data())
def test_a_file_of_results_is_the_same_at_any_split(data):
    wire = b"\r\n".join(
        [body({"response": {"usageMetadata": {"promptTokenCount": 1}}}), b"", b"{cut", body({"key": 1})]
    )
    found = read(BatchLinesReader(), *data.draw(splits(wire)))
    assert found == batch_lines(wire)
    assert not found.is_whole


def test_more_lines_than_are_kept_is_a_problem():
    reader = BatchLinesReader()
    reader.feed(b'{"usage":{}}\n' * (MOST_LINES + 1))
    assert reader.finish().problem == f"the batch has more than {MOST_LINES} results"


def test_more_results_in_a_job_than_are_kept_is_a_problem_and_none_of_them_has_failed():
    results = [b'{"usage":{}}'] * (MOST_LINES + 1)
    inlined = b'"response":{"inlinedResponses":{"inlinedResponses":[' + b",".join([b"{}", *results]) + b"]}}"
    found = read(OperationReader(), b'{"name":"batches/b","done":true,' + inlined + b"}")
    assert found.batch is not None and len(found.batch.lines) == MOST_LINES
    assert found.batch.failed == 1
    assert found.problem == f"the batch has more than {MOST_LINES} results"


def test_the_text_of_a_request_by_characters_and_roughly_by_tokens():
    request = {
        "contents": [{"parts": [{"text": "a bé"}, {"inlineData": {"data": "AAAA"}}]}],
        "system_instruction": {"parts": [{"text": "\tx "}]},
        "requests": [{"content": {"parts": [{"text": "12345"}]}}],
        "instances": [{"prompt": "p"}, {"messages": [{"content": "mm"}]}],
    }
    # a bé: 3 and 5 bytes; x: 1 and 3 bytes; 12345: 5 and 5 bytes; p: 1; mm: 2
    assert request_reading(body(request)) == RequestReading(12, 2 + 1 + 2 + 1 + 1)
    assert request_reading(b"[]").problem == "the request could not be read"


def test_a_text_too_long_to_be_kept_is_a_problem_and_no_guess():
    long = {"contents": [{"parts": [{"text": "x" * (LONGEST_TEXT + 1)}]}]}
    assert request_reading(body(long)).problem == f"the request has a text of more than {LONGEST_TEXT} bytes"


@given(st.text())
def test_white_space_is_free_wherever_it_stands(text):
    assert billable(text) == sum(not character.isspace() for character in text)


def test_which_models_need_more_than_the_answers_counts():
    assert is_by_character("vertex_ai", "gemini-1.5-pro-002")
    assert is_by_character("vertex_ai", "text-bison@001")
    assert not is_by_character("gemini", "gemini-1.5-pro-002")
    assert not is_by_character("vertex_ai", "gemini-2.0-flash")
    assert needs_request("gemini", "embedContent", "m")
    assert not needs_request("gemini", "generateContent", "gemini-2.5-pro")
    assert needs_content("gemini", "gemini-2.5-flash-image")


def test_content_is_counted_only_where_it_is_asked_for():
    data = body({"candidates": [{"content": {"parts": [{"text": "a b"}, {"inlineData": {"mimeType": "image/png"}}]}}]})
    assert read(reader_for("generateContent", "application/json", ""), data).content is None
    wanted = reader_for("generateContent", "application/json", "", with_content=True)
    assert read(wanted, data).content == Content(2, 1)


def test_a_text_that_was_cut_from_a_large_answer_is_said_to_be():
    parts = [{"text": "x" * 2000}, {"inlineData": {"mimeType": "image/png", "data": "A" * 70_000}}]
    data = body({"candidates": [{"content": {"parts": parts}}]})
    found = read(reader_for("generateContent", "application/json", "", with_content=True), data).content
    assert found is not None
    assert (found.is_cut, found.pictures) == (True, 1)
