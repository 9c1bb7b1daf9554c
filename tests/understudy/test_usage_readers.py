"""Readers of HTTP answers: every wire shape, any split, any bytes."""

import gzip
import json
import zlib
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategies import splits
from understudy.usage.generate import ArrayReader, StreamReader, UnaryReader
from understudy.usage.inflate import inflating
from understudy.usage.operations import OperationReader, VeoRequest, VeoRequestReader, veo_request
from understudy.usage.readers import reader_for
from understudy.usage.reading import Grounding, OperationReading, Reading

JSON, SSE = "application/json; charset=UTF-8", "text/event-stream"
USAGE = {
    "promptTokenCount": 18,
    "candidatesTokenCount": 31,
    "totalTokenCount": 84,
    "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 18}],
    "thoughtsTokenCount": 35,
    "serviceTier": "standard",
}


def read(reader, *pieces: bytes) -> Reading:
    for piece in pieces:
        reader.feed(piece)
    return reader.finish()


def body(*, indent=None, **more) -> bytes:
    candidate = {"content": {"parts": [{"text": "Hi"}], "role": "model"}, "index": 0}
    return json.dumps({"candidates": [candidate], "modelVersion": "m-1"} | more, indent=indent).encode()


def sse(*answers: bytes) -> bytes:
    return b"".join(b"data: " + answer + b"\r\n\r\n" for answer in answers)


def test_a_unary_answer_gives_usage_and_model_version():
    assert read(UnaryReader(), body(usageMetadata=USAGE, indent=2)) == Reading(USAGE, "m-1")


def test_snake_case_and_the_singular_spelling_become_googles_names():
    usage = {"prompt_token_count": "7", "promptTokenDetails": [{"modality": "AUDIO", "token_count": 7.0}]}
    details = [{"modality": "AUDIO", "tokenCount": 7}]
    expected = {"promptTokenCount": 7, "promptTokensDetails": details}
    assert read(UnaryReader(), body(usage_metadata=usage)).usage == expected


def test_what_is_no_count_is_a_problem_and_not_a_zero():
    reading = read(UnaryReader(), body(usageMetadata=USAGE | {"promptTokenCount": "many"}))
    assert reading.problem == "usageMetadata.promptTokenCount is not a count"
    reading = read(
        UnaryReader(), body(usageMetadata={"promptTokensDetails": [{"modality": "TEXT", "tokenCount": 1.5}]})
    )
    assert reading.problem == "usageMetadata.promptTokensDetails.tokenCount is not a count"


def test_usage_is_found_beside_candidates_of_a_wrong_form_and_lone_surrogates():
    assert read(UnaryReader(), b'{"candidates":"\\ud800","usageMetadata":{"promptTokenCount":3}}').usage == {
        "promptTokenCount": 3
    }


def test_a_blocked_prompt_is_told_from_an_answer():
    feedback = {"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {"trafficType": "ON_DEMAND"}}
    reading = read(UnaryReader(), json.dumps(feedback).encode())
    assert (reading.is_blocked, reading.has_counts, reading.usage) == (True, False, {"trafficType": "ON_DEMAND"})
    assert not read(UnaryReader(), body(promptFeedback={"safetyRatings": []})).is_blocked
    assert not read(UnaryReader(), body(promptFeedback={"blockReason": "SAFETY"})).is_blocked  # there is an answer


@pytest.mark.parametrize("data", [b"", b"not json", b"null", b"[]", b'{"usageMetadata":{"promptTokenCount":1}'])
def test_a_body_that_is_no_json_object_is_unreadable(data):
    assert read(UnaryReader(), data).problem == "the body is not a JSON object"


def test_an_answer_with_megabytes_of_inline_media_is_read():
    data = json.dumps({"candidates": [{"content": {"parts": [{"inlineData": {"data": "A" * 3_000_000}}]}}]})[:-1]
    whole = data.encode() + b',"usageMetadata":{"promptTokenCount":4,"candidatesTokenCount":1290}}'
    assert read(UnaryReader(), whole).usage == {"promptTokenCount": 4, "candidatesTokenCount": 1290}


def test_an_answer_too_large_beside_media_is_unreadable():
    parts = [{"text": "x" * 500} for _ in range(3000)]
    problem = read(UnaryReader(), body(usageMetadata=USAGE, parts=parts)).problem
    assert problem == "the body holds more than 1048576 bytes beside long strings"


def test_chunks_of_a_stream_are_merged_field_by_field_and_never_added():
    first = body(usageMetadata={"trafficType": "ON_DEMAND", "promptTokenCount": 18, "candidatesTokenCount": 3})
    last = json.dumps({"usageMetadata": {"candidatesTokenCount": 31}, "modelVersion": "m-2"}).encode()
    merged = {"trafficType": "ON_DEMAND", "promptTokenCount": 18, "candidatesTokenCount": 31}
    assert read(StreamReader(), sse(first, last)) == Reading(merged, "m-2")


@pytest.mark.parametrize(
    "tail",
    [
        b'{\r\n  "error": {\r\n    "code": 503\r\n  }\r\n}\r\n',
        b'data: {"error":{"code":503}}\r\n\r\n',
        b'data: {"candidates":[{"cont',
    ],
)
def test_a_stream_that_breaks_keeps_the_last_usage_and_is_not_whole(tail):
    reading = read(StreamReader(), sse(body(usageMetadata=USAGE)) + tail)
    assert (reading.usage, reading.is_whole, reading.problem) == (USAGE, False, None)


def test_an_array_stream_says_what_the_event_stream_says():
    answers = [body(usageMetadata={"promptTokenCount": 18}, indent=2), body(usageMetadata=USAGE, indent=2)]
    array = b"[" + b"\n,\r\n".join(answers) + b"\n]"
    flat = [json.dumps(json.loads(answer)).encode() for answer in answers]
    assert read(ArrayReader(), array) == read(StreamReader(), sse(*flat))
    assert not read(ArrayReader(), array[:-1]).is_whole


def test_an_event_with_megabytes_of_inline_media_is_read():
    picture = json.dumps({"candidates": [{"content": {"parts": [{"inlineData": {"data": "A" * 3_000_000}}]}}]})
    event = picture[:-1].encode() + b',"usageMetadata":{"promptTokenCount":4}}'
    assert read(StreamReader(), sse(event, body(usageMetadata={"candidatesTokenCount": 9}))).usage == {
        "promptTokenCount": 4,
        "candidatesTokenCount": 9,
    }


def grounded(queries=(), chunks=(), index=0):
    metadata = {"webSearchQueries": list(queries), "groundingChunks": [{kind: {}} for kind in chunks]}
    return json.dumps({"candidates": [{"index": index, "groundingMetadata": metadata}]}).encode()


def test_queries_are_counted_once_over_candidates_and_chunks():
    empty = b'{"candidates":[{"groundingMetadata":{}}]}'
    stream = sse(empty, grounded(["a", "b", ""], ["web"]), grounded(["b", "c"], ["web"], index=1))
    assert read(StreamReader(), stream).grounding == Grounding(search_queries=3)


def test_queries_of_a_candidate_with_maps_alone_are_maps_queries():
    stream = sse(grounded(["a"]), grounded([], ["maps"]), grounded(["b"], ["web", "maps"], index=1))
    assert read(StreamReader(), stream).grounding == Grounding(1, 1, has_maps=True)


def test_web_chunks_without_queries_are_no_search():
    assert not read(UnaryReader(), grounded([], ["web"])).grounding.is_grounded


def test_a_started_operation_has_a_name():
    assert read(OperationReader(), b'{"name":"models/v/operations/o"}').operation == OperationReading(
        "models/v/operations/o"
    )


VIDEO = {"video": {"uri": "https://x/files/a"}}


@pytest.mark.parametrize(
    ("response", "delivered", "filtered"),
    [
        ({"generateVideoResponse": {"generatedSamples": [VIDEO, VIDEO]}}, 2, 0),
        ({"generateVideoResponse": {"raiMediaFilteredCount": 1}}, 0, 1),
        (
            {"videos": [{"gcsUri": "gs://b/o"}, {"bytesBase64Encoded": "A" * 2_000_000}], "raiMediaFilteredCount": 1},
            2,
            1,
        ),
        ({"videos": [{"mimeType": "video/mp4"}, None]}, 0, 0),
    ],
)
def test_a_finished_operation_tells_what_was_delivered(response, delivered, filtered):
    answer = json.dumps({"name": "o", "done": True, "response": response}).encode()
    expected = OperationReading("o", is_done=True, delivered=delivered, filtered=filtered)
    assert read(OperationReader(), answer) == Reading(operation=expected)


def test_a_failed_operation_is_done_and_one_without_an_outcome_is_a_problem():
    failed = b'{"name":"o","done":true,"error":{"code":3}}'
    assert read(OperationReader(), failed).operation == OperationReading("o", is_done=True, has_failed=True)
    assert read(OperationReader(), b'{"name":"o","done":true}').problem is not None
    assert read(OperationReader(), b"\x00\x01").problem == "the answer about the operation could not be read"


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        ({"instances": [{"prompt": "p"}]}, VeoRequest(Decimal(8), "720p", True, 1)),
        (
            {"parameters": {"durationSeconds": 6, "resolution": "1080P", "generateAudio": False, "sampleCount": "2"}},
            VeoRequest(Decimal(6), "1080p", False, 2),
        ),
        ({"parameters": {"durationSeconds": "4"}}, VeoRequest(Decimal(4))),
        ({"parameters": {"durationSeconds": 5.5}}, VeoRequest(Decimal("5.5"))),
        ({"instances": [{"config": {"duration": "6s"}}]}, VeoRequest(Decimal(6))),
        ({"parameters": {"durationSeconds": "long", "sampleCount": -3}}, VeoRequest()),
        ({"instances": [{"image": {"bytesBase64Encoded": "A" * 900_000}}], "parameters": {"duration_seconds": 4}},
         VeoRequest(Decimal(4))),
    ],
)  # fmt: skip
def test_what_a_video_request_asks_for(request_, expected):
    assert veo_request(json.dumps(request_).encode()) == expected


def test_a_video_request_that_is_no_json_says_so():
    assert veo_request(b"--boundary").problem == "the request for a video could not be read"


@pytest.mark.parametrize(
    ("encoding", "coded"),
    [
        ("gzip", gzip.compress),
        ("GZIP", lambda data: gzip.compress(data[:20]) + gzip.compress(data[20:]) + b"\0\0"),
        ("deflate", zlib.compress),
        ("deflate", lambda data: zlib.compress(data, wbits=-15)),
        ("identity", bytes),
        ("", bytes),
    ],
)
@given(data=st.data())
def test_content_codings_do_not_matter_at_any_split(encoding, coded, data):
    plain = body(usageMetadata=USAGE, text="é" * 200)
    pieces = data.draw(splits(coded(plain)))
    assert read(reader_for("generateContent", JSON, encoding), *pieces) == Reading(USAGE, "m-1")


def test_a_large_coded_body_is_read_block_by_block():
    plain = body(usageMetadata=USAGE, data=[str(n) * 300 for n in range(700)])
    assert read(reader_for("generateContent", JSON, "gzip"), gzip.compress(plain)) == Reading(USAGE, "m-1")


def test_a_coded_body_that_stops_early_is_not_whole():
    coded = gzip.compress(sse(body(usageMetadata=USAGE)))
    assert not read(reader_for("streamGenerateContent", SSE, "gzip"), coded[:-4]).is_whole


@pytest.mark.parametrize(
    ("encoding", "coded", "problem"),
    [
        ("br", b"x", "the body is in the content coding 'br'"),
        ("gzip", b"no gzip", "the body could not be inflated"),
        ("gzip", gzip.compress(bytes(8_000_000)), "the body grows without measure when it is inflated"),
    ],
)
def test_a_body_that_cannot_be_inflated_is_unreadable(encoding, coded, problem):
    reading = read(inflating(encoding, StreamReader()), coded)
    assert reading.problem is not None
    assert reading.problem.startswith(problem)


@pytest.mark.parametrize(
    ("method", "content_type", "data", "expected"),
    [
        ("generateContent", JSON, body(usageMetadata=USAGE), Reading(USAGE, "m-1")),
        ("streamGenerateContent", SSE, sse(body(usageMetadata=USAGE)), Reading(USAGE, "m-1")),
        ("streamGenerateContent", JSON, b"[" + body(usageMetadata=USAGE) + b"]", Reading(USAGE, "m-1")),
        ("countTokens", JSON, b'{"totalTokens":31}', Reading()),
        ("predictLongRunning", JSON, b'{"name":"o"}', Reading(operation=OperationReading("o"))),
        ("fetchPredictOperation", JSON, b'{"name":"o"}', Reading(operation=OperationReading("o"))),
        ("get", JSON, b'{"name":"o"}', Reading(operation=OperationReading("o"))),
        ("get", "video/mp4", b"\x00\x00\x00\x18ftyp", Reading()),
    ],
)
def test_the_reader_fits_method_and_content_type(method, content_type, data, expected):
    assert read(reader_for(method, content_type, ""), data) == expected


kinds = st.sampled_from(
    [
        ("generateContent", JSON),
        ("streamGenerateContent", SSE),
        ("streamGenerateContent", JSON),
        ("predictLongRunning", JSON),
    ]
)
counts = st.dictionaries(
    st.sampled_from(["promptTokenCount", "candidatesTokenCount", "thoughtsTokenCount", "trafficType", "x"]),
    st.integers(-5, 2**60)
    | st.text(max_size=3)
    | st.none()
    | st.decimals(allow_nan=False, allow_infinity=False).map(float),
)
answers = st.builds(
    lambda usage, version, grounding: json.dumps(
        {
            "candidates": [{"index": 0, "groundingMetadata": {"webSearchQueries": grounding}, "t": 'x"\\é' * 9}],
            "usageMetadata": usage,
            "modelVersion": version,
        }
    ).encode(),
    counts,
    st.text(max_size=4),
    st.lists(st.text(max_size=2), max_size=3),
)
wires = st.one_of(
    answers,
    st.lists(answers, max_size=3).map(lambda some: sse(*some)),
    st.lists(answers, max_size=3).map(lambda some: b"[" + b",\r\n".join(some) + b"]"),
    st.binary(max_size=80),
    st.lists(
        st.sampled_from([b"{", b"}", b"[", b"]", b'"', b"\\", b"data: ", b"\n", b'"usageMetadata":', b"1e999", b"\xff"])
    ).map(b"".join),
)


@given(st.data(), wires, kinds)
def test_a_reading_does_not_depend_on_the_split_and_garbage_never_raises(data, wire, kind):
    method, content_type = kind
    whole = read(reader_for(method, content_type, ""), wire)
    assert read(reader_for(method, content_type, ""), *data.draw(splits(wire))) == whole


@given(st.data(), wires, st.sampled_from(["gzip", "deflate"]))
def test_garbage_in_a_content_coding_never_raises(data, wire, encoding):
    for piece in (wire, gzip.compress(wire)[:-9] + wire):
        assert isinstance(read(reader_for("generateContent", JSON, encoding), *data.draw(splits(piece))), Reading)


@given(st.data(), wires)
def test_a_video_request_does_not_depend_on_the_split(data, wire):
    reader = VeoRequestReader()
    for piece in data.draw(splits(wire)):
        reader.feed(piece)
    assert reader.finish() == veo_request(wire)


@pytest.mark.parametrize("deep", [b"[" * 300_000, b'{"a":' * 300_000, b'{"candidates":' + b"[" * 200_000])
def test_deep_nesting_is_survived(deep):
    for kind in [("generateContent", JSON), ("streamGenerateContent", JSON), ("predictLongRunning", JSON)]:
        assert isinstance(read(reader_for(*kind, ""), deep), Reading)


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=5).map(sorted))
def test_a_cumulative_stream_costs_what_the_unary_answer_costs(candidates):
    chunks = [body(usageMetadata=USAGE | {"candidatesTokenCount": count}) for count in candidates]
    assert read(StreamReader(), sse(*chunks)) == read(UnaryReader(), chunks[-1])
