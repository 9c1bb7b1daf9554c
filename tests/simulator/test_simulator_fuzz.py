"""Requests made from Google's descriptions, over the wire: what fits is answered, one mistake is refused by its path.

What is counted: of requests that fit, at least 95 in 100 get an answer that fits its own description; of requests with
one mistake, all get a 400 that names where; none gets a 500 and none hangs.
"""

import asyncio
import http.client
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import pytest
from description_strategies import Meant, durations, meant_for, meant_request, mutations, valid_value
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from simulator_rig import BEARER, FLASH, KEY, VERTEX_FLASH, simulator

from understudy_simulator.validation.answers import answer_mistakes
from understudy_simulator.validation.loading import descriptions

LIMIT_S = 20
SHARE = 0.95
HELLO = {"role": "user", "parts": [{"text": "hello"}]}
FEW = settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)


class Wire:
    """One kept connection to a simulator that runs beside the test."""

    def __init__(self, url: str) -> None:
        place = urlsplit(url)
        self._connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=LIMIT_S)

    def close(self) -> None:
        self._connection.close()

    def ask(self, method: str, target: str, body: Any) -> tuple[int, Any]:
        return self.send(method, target, json.dumps(body).encode())

    def send(self, method: str, target: str, body: bytes) -> tuple[int, Any]:
        headers = dict([BEARER if "/projects/" in target else KEY])
        self._connection.request(method, target, body, headers | {"Content-Type": "application/json"})
        answer = self._connection.getresponse()
        text = answer.read()
        if text.startswith(b"data: "):
            return answer.status, [json.loads(event[6:]) for event in text.split(b"\r\n\r\n") if event]
        return answer.status, json.loads(text) if text else None


@contextmanager
def beside() -> Iterator[str]:
    """The URL of a simulator in a thread of its own."""
    started: list[str] = []
    ready, loop, over = threading.Event(), asyncio.new_event_loop(), asyncio.Event()

    async def run() -> None:
        async with simulator() as running:
            started.append(running.http_url)
            ready.set()
            await over.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(run(),))
    thread.start()
    try:
        assert ready.wait(LIMIT_S)
        yield started[0]
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join(LIMIT_S)
        loop.close()


@pytest.fixture(scope="module")
def wire() -> Iterator[Wire]:
    with beside() as url:
        kept = Wire(url)
        try:
            yield kept
        finally:
            kept.close()


GENERATING = [
    (f"{FLASH}:generateContent", "gemini", "v1beta", "GenerateContentRequest", "GenerateContentResponse"),
    (f"{FLASH}:countTokens", "gemini", "v1beta", "CountTokensRequest", "CountTokensResponse"),
    (f"{VERTEX_FLASH}:generateContent", "vertex", "v1beta1", "GenerateContentRequest", "GenerateContentResponse"),
    (f"{VERTEX_FLASH}:countTokens", "vertex", "v1beta1", "CountTokensRequest", "CountTokensResponse"),
]


@pytest.mark.parametrize(("target", "service", "version", "message", "answer"), GENERATING)
def test_what_fits_is_answered_by_what_fits(wire, target, service, version, message, answer):
    described = descriptions(service, version)
    seen: list[int] = []
    refusals: list[Any] = []

    @FEW
    @given(meant_request(described, message, service == "vertex"))
    def play(body: dict[str, Any]) -> None:
        status, value = wire.ask("POST", target, body)
        assert status < 500, value
        seen.append(status)
        if status != 200:
            refusals.append((body, value))
            return
        assert not answer_mistakes(described, answer, value), value

    play()
    share = seen.count(200) / len(seen)
    assert share >= SHARE, refusals[:2]


@pytest.mark.parametrize("target", [f"{FLASH}:streamGenerateContent", f"{VERTEX_FLASH}:streamGenerateContent"])
def test_streams_too(wire, target):
    service = "vertex" if "projects" in target else "gemini"
    described = descriptions(service, "v1beta1" if service == "vertex" else "v1beta")
    seen: list[int] = []

    @settings(FEW, max_examples=30)
    @given(meant_request(described, "GenerateContentRequest", service == "vertex"))
    def play(body: dict[str, Any]) -> None:
        status, value = wire.ask("POST", target, body)
        assert status < 500, value
        seen.append(status)
        if status == 200:
            for chunk in value:
                assert not answer_mistakes(described, "GenerateContentResponse", chunk)

    play()
    assert seen.count(200) / len(seen) >= SHARE


CONTENT = {"contents": [HELLO], "generationConfig": {"temperature": 0.5, "stopSequences": ["a"], "topK": 3}}
SAFETY = CONTENT | {"safetySettings": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}]}
TOOLS = CONTENT | {"tools": [{"functionDeclarations": [{"name": "f", "parameters": {"type": "OBJECT"}}]}]}
P = "/v1beta1/projects/p/locations/us-central1"
EXAMPLES = [
    (f"{FLASH}:generateContent", "GenerateContentRequest", SAFETY),
    (f"{FLASH}:generateContent", "GenerateContentRequest", TOOLS),
    (f"{FLASH}:streamGenerateContent?alt=sse", "GenerateContentRequest", SAFETY),
    (f"{FLASH}:countTokens", "CountTokensRequest", {"contents": [HELLO]}),
    (
        "/v1beta/models/gemini-embedding-001:embedContent",
        "EmbedContentRequest",
        {"content": HELLO, "taskType": "CLUSTERING"},
    ),
    (
        "/v1beta/models/gemini-embedding-001:batchEmbedContents",
        "BatchEmbedContentsRequest",
        {"requests": [{"model": "models/gemini-embedding-001", "content": HELLO}]},
    ),
    (
        "/v1beta/cachedContents",
        "CachedContent",
        {"model": "models/gemini-2.5-flash", "ttl": "60s", "contents": [HELLO]},
    ),
    ("/v1beta/files", "CreateFileRequest", {"file": {"displayName": "f", "mimeType": "text/plain"}}),
    ("/v1beta/files:register", "RegisterFilesRequest", {"uris": ["gs://b/o"]}),
    (
        f"{FLASH}:batchGenerateContent",
        "BatchGenerateContentRequest",
        {
            "batch": {
                "displayName": "b",
                "inputConfig": {"requests": {"requests": [{"request": {"contents": [HELLO]}}]}},
            }
        },
    ),
    ("/v1beta/fileSearchStores", "FileSearchStore", {"displayName": "s"}),
    ("/v1alpha/auth_tokens", "AuthToken", {"uses": 1}),
    (f"{VERTEX_FLASH}:generateContent", "GenerateContentRequest", SAFETY | {"labels": {"a": "b"}}),
    (f"{VERTEX_FLASH}:computeTokens", "ComputeTokensRequest", {"contents": [HELLO]}),
    (f"{P}/publishers/google/models/text-embedding-005:predict", "PredictRequest", {"instances": [{"content": "x"}]}),
    (
        f"{P}/publishers/google/models/veo-3.0-generate-001:predictLongRunning",
        "PredictLongRunningRequest",
        {"instances": [{"prompt": "x"}], "parameters": {"sampleCount": 1}},
    ),
    (
        f"{P}/cachedContents",
        "CachedContent",
        {"model": f"{P[9:]}/publishers/google/models/gemini-2.5-flash", "ttl": "60s", "contents": [HELLO]},
    ),
    (
        f"{P}/batchPredictionJobs",
        "BatchPredictionJob",
        {
            "displayName": "j",
            "model": "publishers/google/models/gemini-2.5-flash",
            "inputConfig": {"instancesFormat": "jsonl", "gcsSource": {"uris": ["gs://b/i"]}},
            "outputConfig": {"predictionsFormat": "jsonl", "gcsDestination": {"outputUriPrefix": "gs://b/o"}},
        },
    ),
    (
        f"{P}/tuningJobs",
        "TuningJob",
        {"baseModel": "gemini-2.5-flash", "supervisedTuningSpec": {"trainingDatasetUri": "gs://b/t.jsonl"}},
    ),
]


@pytest.mark.parametrize(
    ("target", "message", "body"), EXAMPLES, ids=[f"{row[0]}-{at}" for at, row in enumerate(EXAMPLES)]
)
def test_one_mistake_is_refused_by_its_path(wire, target, message, body):
    status, value = wire.ask("POST", target, body)
    assert status == 200, value
    refuses_each_mistake(wire, "POST", target, message, body)


def refuses_each_mistake(wire: Wire, method: str, target: str, message: str, body: dict[str, Any]) -> None:
    """Holds that `body` with any one mistake in it gets a 400 that names the mistake's path."""
    _, described = described_at(target)

    @settings(FEW, max_examples=60)
    @given(st.data())
    def play(data: st.DataObject) -> None:
        mutation = data.draw(mutations(described, message, body))
        status, value = wire.ask(method, target, mutation.value)
        error = (value[0] if isinstance(value, list) else value)["error"]
        assert (status, error["status"]) == (400, "INVALID_ARGUMENT"), (mutation, value)
        assert f'"{mutation.name}"' in error["message"] or not mutation.name, (mutation, error)
        assert f"'{mutation.path}'" in error["message"] or not mutation.path, (mutation, error)

    play()


CACHE = {"model": "models/gemini-2.5-flash", "ttl": "60s", "contents": [HELLO]}
BATCH = {"batch": {"displayName": "b", "inputConfig": {"requests": {"requests": [{"request": {"contents": [HELLO]}}]}}}}
TUNED = {
    "baseModel": "models/gemini-1.5-flash-001-tuning",
    "tuningTask": {"trainingData": {"examples": {"examples": [{"textInput": "a", "output": "b"}]}}},
}
EMBEDDED = {
    "EmbedContentRequest.content": st.just(HELLO),
    "EmbedContentRequest.model": None,
    "EmbedContentRequest.outputDimensionality": st.integers(1, 3072),
}
ITEM = st.just({"model": "models/gemini-embedding-001", "content": HELLO})
BATCHED = {"BatchEmbedContentsRequest.requests": st.lists(ITEM, min_size=1, max_size=3)}
CONTENTS = st.lists(st.just(HELLO), min_size=1, max_size=3)
ASKED = {"PredictLongRunningRequest.instances": st.just([{"prompt": "x"}])}
ASKED |= {"PredictLongRunningRequest.parameters": st.just({"sampleCount": 1})}
KEPT = {
    "CachedContent.model": st.just("models/gemini-2.5-flash"),
    "CachedContent.contents": CONTENTS,
    "CachedContent.ttl": st.just("60s"),
    "CachedContent.expireTime": None,
    "CachedContent.name": None,
    "CachedContent.toolConfig": None,
}
ONLY_TTL = {"CachedContent": st.fixed_dictionaries({"ttl": durations})}
TIMELESS = {"AuthToken.expireTime": None, "AuthToken.newSessionExpireTime": None, "AuthToken.uses": st.integers(0, 9)}
GOOGLE = f"{P}/publishers/google/models"
VERTEX_KEPT = KEPT | {
    "CachedContent.model": st.just(f"{P[9:]}/publishers/google/models/gemini-2.5-flash"),
    "CachedContent.encryptionSpec": None,
}
OBJECT = {"uris": ["gs://b/i.jsonl"]}
JOB = {
    "BatchPredictionJob.displayName": st.just("j"),
    "BatchPredictionJob.model": st.just("publishers/google/models/gemini-2.5-flash"),
    "BatchPredictionJob.inputConfig": st.just({"instancesFormat": "jsonl", "gcsSource": OBJECT}),
    "BatchPredictionJob.outputConfig": st.just(
        {"predictionsFormat": "jsonl", "gcsDestination": {"outputUriPrefix": "gs://b/o"}}
    ),
}
TUNING = {
    "TuningJob.baseModel": st.sampled_from(["gemini-2.5-flash", "gemini-2.5-pro"]),
    "TuningJob.supervisedTuningSpec": st.just({"trainingDatasetUri": "gs://b/t.jsonl"}),
    "TuningJob.preTunedModel": None,
    **{f"TuningJob.{kind}TuningSpec": None for kind in ("preference", "distillation", "reinforcement", "veo")},
}
LINE = st.just({"request": {"contents": [HELLO]}})
LINES = st.lists(LINE, min_size=1, max_size=3).map(lambda lines: {"requests": {"requests": lines}})
WORK = {
    "BatchGenerateContentRequest.batch": LINES.map(lambda lines: {"displayName": "b", "inputConfig": lines}),
}
WORDS = {"PredictRequest.instances": st.lists(st.just({"content": "x"}), min_size=1, max_size=3)}
PICTURE = {"PredictRequest.instances": st.just([{"prompt": "x"}])}
URIS = {"RegisterFilesRequest.uris": st.lists(st.just("gs://b/o"), min_size=1, max_size=3)}
SHARES = [
    (f"{P}/cachedContents", "CachedContent", "CachedContent", VERTEX_KEPT),
    (f"{P}/batchPredictionJobs", "BatchPredictionJob", "BatchPredictionJob", JOB),
    (f"{P}/tuningJobs", "TuningJob", "TuningJob", TUNING),
    (f"{FLASH}:batchGenerateContent", "BatchGenerateContentRequest", "", WORK),
    ("/v1beta/files:register", "RegisterFilesRequest", "RegisterFilesResponse", URIS),
    (
        f"{GOOGLE}/text-embedding-005:predict",
        "PredictRequest",
        "PredictResponse",
        WORDS | {"PredictRequest.parameters": st.just({"outputDimensionality": 8})},
    ),
    (
        f"{GOOGLE}/imagen-4.0-generate-001:predict",
        "PredictRequest",
        "PredictResponse",
        PICTURE | {"PredictRequest.parameters": st.just({"sampleCount": 1})},
    ),
    ("/v1beta/models/gemini-embedding-001:embedContent", "EmbedContentRequest", "EmbedContentResponse", EMBEDDED),
    (f"{GOOGLE}/gemini-embedding-001:embedContent", "EmbedContentRequest", "EmbedContentResponse", EMBEDDED),
    (
        "/v1beta/models/gemini-embedding-001:batchEmbedContents",
        "BatchEmbedContentsRequest",
        "BatchEmbedContentsResponse",
        BATCHED,
    ),
    (
        f"{VERTEX_FLASH}:computeTokens",
        "ComputeTokensRequest",
        "ComputeTokensResponse",
        {"ComputeTokensRequest.contents": CONTENTS, "ComputeTokensRequest.instances": None},
    ),
    ("/v1beta/cachedContents", "CachedContent", "CachedContent", KEPT),
    ("/v1beta/files", "CreateFileRequest", "CreateFileResponse", {"File.name": None}),
    ("/v1beta/fileSearchStores", "FileSearchStore", "FileSearchStore", {}),
    ("/v1alpha/auth_tokens", "AuthToken", "AuthToken", TIMELESS),
    ("/v1beta/models/veo-3.0-generate-001:predictLongRunning", "PredictLongRunningRequest", "Operation", ASKED),
    (f"{GOOGLE}/veo-3.0-generate-001:predictLongRunning", "PredictLongRunningRequest", "", ASKED),
]


def described_at(target: str) -> tuple[bool, Any]:
    """Whether Vertex AI is called at `target`, and its descriptions."""
    is_vertex = "/projects/" in target
    return is_vertex, descriptions("vertex" if is_vertex else "gemini", target.split("/")[1])


def share_answered(wire: Wire, method: str, target: str, message: str, answer: str, fields: dict[str, Any]) -> None:
    """Holds that nearly all requests that fit are answered by what fits `answer`; an empty one is not compared."""
    is_vertex, described = described_at(target)
    seen: list[int] = []
    refusals: list[Any] = []

    @settings(FEW, max_examples=60)
    @given(valid_value(described, message, 3, Meant(meant_for(is_vertex).fields | fields)))
    def play(body: dict[str, Any]) -> None:
        status, value = wire.ask(method, target, body)
        assert status < 500, value
        seen.append(status)
        if status != 200:
            refusals.append((body, value))
        elif answer:
            assert not answer_mistakes(described, answer, value), value

    play()
    assert seen.count(200) / len(seen) >= SHARE, refusals[:2]


@pytest.mark.parametrize(("target", "message", "answer", "fields"), SHARES, ids=[row[0] for row in SHARES])
def test_other_methods_answer_what_fits_too(wire, target, message, answer, fields):
    share_answered(wire, "POST", target, message, answer, fields)


CHANGES = [
    ("cachedContents", CACHE, "CachedContent", {"ttl": "90s"}, ONLY_TTL),
    ("fileSearchStores", {"displayName": "s"}, "FileSearchStore", {"displayName": "t"}, {}),
    ("tunedModels", TUNED, "TunedModel", {"displayName": "t"}, {}),
]


@pytest.mark.parametrize(("kind", "body", "message", "change", "fields"), CHANGES, ids=[row[0] for row in CHANGES])
def test_what_exists_is_changed_by_what_fits_and_by_nothing_else(wire, kind, body, message, change, fields):
    status, made = wire.ask("POST", f"/v1beta/{kind}", body)
    assert status == 200, made
    target = f"/v1beta/{made['metadata']['tunedModel'] if kind == 'tunedModels' else made['name']}"
    share_answered(wire, "PATCH", target, message, message, fields)
    refuses_each_mistake(wire, "PATCH", target, message, change)


def test_what_exists_is_cancelled_and_polled(wire):
    batch = wire.ask("POST", f"{FLASH}:batchGenerateContent", BATCH)[1]["name"]
    share_answered(wire, "POST", f"/v1beta/{batch}:cancel", "CancelOperationRequest", "", {})
    refuses_each_mistake(wire, "POST", f"/v1beta/{batch}:cancel", "CancelOperationRequest", {})
    veo = f"{GOOGLE}/veo-3.0-generate-001"
    film = wire.ask("POST", f"{veo}:predictLongRunning", {"instances": [{"prompt": "x"}]})[1]["name"]
    poll = {"operationName": film}
    assert wire.ask("POST", f"{veo}:fetchPredictOperation", poll)[0] == 200
    refuses_each_mistake(wire, "POST", f"{veo}:fetchPredictOperation", "FetchPredictOperationRequest", poll)


SOURCE = {
    "TunedModel.baseModel": st.just(TUNED["baseModel"]),
    "TunedModel.tuningTask": st.just(TUNED["tuningTask"]),
    **{f"TunedModel.{name}": None for name in ("tunedModelSource", "preTunedModel", "name")},
}


def test_files_are_imported_into_a_store(wire):
    store = wire.ask("POST", "/v1beta/fileSearchStores", {"displayName": "s"})[1]["name"]
    file = wire.ask("POST", "/v1beta/files", {"file": {"displayName": "f", "mimeType": "text/plain"}})[1]["file"][
        "name"
    ]
    target, message = f"/v1beta/{store}:importFile", "ImportFileRequest"
    share_answered(wire, "POST", target, message, "Operation", {"ImportFileRequest.fileName": st.just(file)})
    refuses_each_mistake(wire, "POST", target, message, {"fileName": file, "customMetadata": [{"key": "a"}]})


def test_tuned_models_of_the_gemini_api_are_made_and_asked(wire):
    share_answered(wire, "POST", "/v1beta/tunedModels", "TunedModel", "Operation", SOURCE)
    refuses_each_mistake(wire, "POST", "/v1beta/tunedModels", "TunedModel", TUNED)
    operation = wire.ask("POST", "/v1beta/tunedModels", TUNED)[1]["name"]
    name = operation.partition("/operations/")[0]
    for _ in range(3):
        state = wire.ask("GET", f"/v1beta/{name}", None)[1]["state"]
    assert state == "ACTIVE"
    refuses_each_mistake(wire, "POST", f"/v1beta/{name}:generateContent", "GenerateContentRequest", SAFETY)
    asked(wire, f"/v1beta/{name}:generateContent")


def test_models_of_a_project_are_changed_and_their_endpoints_asked(wire):
    job = {"baseModel": "gemini-2.5-flash", "supervisedTuningSpec": {"trainingDatasetUri": "gs://b/t.jsonl"}}
    made = wire.ask("POST", f"{P}/tuningJobs", job)[1]["name"]
    for _ in range(2):
        done = wire.ask("GET", f"/v1beta1/{made}", None)[1]
    tuned = done["tunedModel"]
    share_answered(wire, "PATCH", f"/v1beta1/{tuned['model']}", "Model", "Model", {})
    refuses_each_mistake(
        wire, "PATCH", f"/v1beta1/{tuned['model']}", "Model", {"displayName": "m", "labels": {"a": "b"}}
    )
    endpoint = f"/v1beta1/{tuned['endpoint']}"
    refuses_each_mistake(wire, "POST", f"{endpoint}:generateContent", "GenerateContentRequest", SAFETY)
    asked(wire, f"{endpoint}:generateContent")


def asked(wire: Wire, target: str) -> None:
    """Holds that nearly all requests that fit are answered by the tuned model there."""
    is_vertex, described = described_at(target)
    seen: list[int] = []

    @settings(FEW, max_examples=40)
    @given(meant_request(described, "GenerateContentRequest", is_vertex))
    def play(body: dict[str, Any]) -> None:
        status, value = wire.ask("POST", target, body)
        assert status < 500, value
        seen.append(status)
        if status == 200:
            assert not answer_mistakes(described, "GenerateContentResponse", value), value

    play()
    assert seen.count(200) / len(seen) >= SHARE


def test_endpoints_of_others_predict(wire):
    target, instances = f"{P}/endpoints/77:predict", st.lists(st.just({"prompt": "x"}), min_size=1, max_size=3)
    share_answered(wire, "POST", target, "PredictRequest", "PredictResponse", {"PredictRequest.instances": instances})
    refuses_each_mistake(wire, "POST", target, "PredictRequest", {"instances": [1], "labels": {"a": "b"}})


def test_any_bytes_at_all(wire):
    @FEW
    @given(st.binary(max_size=200))
    def play(body: bytes) -> None:
        status, value = wire.send("POST", f"{FLASH}:generateContent", body)
        assert 400 <= status < 500, value

    play()
