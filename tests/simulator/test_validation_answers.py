"""Whether an answer is one that Google could give: names, types and spellings, strictly."""

from typing import Any

import pytest

from understudy_simulator.validation.answers import answer_mistakes
from understudy_simulator.validation.loading import descriptions

GEMINI = descriptions("gemini", "v1beta")
VERTEX = descriptions("vertex", "v1beta1")
CANDIDATE: dict[str, Any] = {
    "content": {"parts": [{"text": "Paris.", "thoughtSignature": "CiQB"}], "role": "model"},
    "finishReason": "STOP",
    "index": 0,
}
USAGE = {
    "promptTokenCount": 13,
    "totalTokenCount": 50,
    "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 13}],
    "serviceTier": "standard",
}


def test_what_the_services_answer_fits():
    gemini = {
        "candidates": [{**CANDIDATE, "finishMessage": "Model generated function call(s)."}],
        "usageMetadata": USAGE,
        "modelVersion": "gemini-2.5-flash",
        "responseId": "ru1garvBEoOiqtsP2fznmQw",
    }
    assert answer_mistakes(GEMINI, "GenerateContentResponse", gemini) == ()
    vertex = {
        "candidates": [
            {"content": {"role": "model", "parts": [{"text": "a"}]}, "finishReason": "MODEL_ARMOR", "avgLogprobs": -0.1}
        ],
        "usageMetadata": {
            "trafficType": "ON_DEMAND",
            "candidatesTokensDetails": [{"modality": "TEXT", "tokenCount": 1}],
        },
        "createTime": "2026-03-21T18:11:55.919086Z",
        "responseId": "x",
    }
    assert answer_mistakes(VERTEX, "GenerateContentResponse", vertex) == ()
    batch = {
        "name": "batches/1",
        "metadata": {"@type": "type.googleapis.com/google.ai.generativelanguage.v1main.GenerateContentBatch"},
    }
    assert answer_mistakes(GEMINI, "Operation", batch) == ()
    assert answer_mistakes(VERTEX, "Operation", batch) == ()
    stats = {"requestCount": "2", "pendingRequestCount": "2"}
    assert answer_mistakes(GEMINI, "GenerateContentBatch", {"batchStats": stats, "state": "BATCH_STATE_PENDING"}) == ()
    tokens = {"tokensInfo": [{"role": "user", "tokenIds": ["1", "2"], "tokens": ["YQ==", "Yg=="]}]}
    assert answer_mistakes(VERTEX, "ComputeTokensResponse", tokens) == ()
    store = {"name": "fileSearchStores/s", "createTime": "2026-03-21T18:11:55Z", "sizeBytes": "5"}
    assert answer_mistakes(GEMINI, "FileSearchStore", store) == ()
    models = {"publisherModels": [{"name": "publishers/google/models/m", "versionId": "001", "launchStage": "GA"}]}
    assert answer_mistakes(VERTEX, "ListPublisherModelsResponse", models) == ()


@pytest.mark.parametrize(
    ("message", "value", "mistake"),
    [
        ("GenerateContentResponse", {"model_version": "x"}, "GenerateContentResponse.model_version: "),
        ("GenerateContentResponse", {"modelVersion": None}, "GenerateContentResponse.modelVersion: null is no string"),
        (
            "GenerateContentResponse",
            {"candidates": []},
            "GenerateContentResponse.candidates: [] is no list of something",
        ),
        ("GenerateContentResponse", {"candidates": {}}, "GenerateContentResponse.candidates: "),
        ("Candidate", {"finishReason": "stop"}, 'Candidate.finishReason: "stop" is no Candidate.FinishReason'),
        ("Candidate", {"finishReason": 1}, "Candidate.finishReason: 1 is no"),
        ("Candidate", {"index": "0"}, 'Candidate.index: "0" is no int32'),
        ("Candidate", {"index": True}, "Candidate.index: true is no int32"),
        ("Candidate", {"avgLogprobs": "0.5"}, "Candidate.avgLogprobs: "),
        ("Candidate", {"content": "x"}, 'Candidate.content: "x" is no Content'),
        ("File", {"sizeBytes": 5}, "File.sizeBytes: 5 is no int64"),
        ("File", {"createTime": "2026-03-21T18:11:55+00:00"}, "File.createTime: "),
        ("File", {"createTime": "2026-03-21T18:11:55.9Z"}, "File.createTime: "),
        ("File", {"sha256Hash": "ab-_"}, "File.sha256Hash: "),
        ("File", {"sha256Hash": "YQ"}, "File.sha256Hash: "),
        ("VideoFileMetadata", {"videoDuration": "8"}, "VideoFileMetadata.videoDuration: "),
        ("Part", {"text": "a", "functionCall": {"name": "f"}}, "Part.functionCall: another field of data is set"),
        ("Operation", {"metadata": {"x": 1}}, "Operation.metadata: "),
        ("Model", {"labels": {"a": 1}}, "Model.labels['a']: 1 is no string"),
        ("Model", {"labels": [1]}, "Model.labels: [1] is no map"),
    ],
)
def test_what_google_would_not_write_is_told_with_its_place(message: str, value: Any, mistake: str):
    [found] = answer_mistakes(GEMINI, message, value)
    assert found.startswith(mistake)


def test_all_mistakes_are_told():
    value = {"candidates": [{**CANDIDATE, "index": "0", "extra": 1}], "usageMetadata": 3}
    assert len(answer_mistakes(GEMINI, "GenerateContentResponse", value)) == 3
