"""What official clients were seen to send is taken: google-genai 3.4, and the other spellings of the JS client."""

import json

import pytest

from understudy.scenario.json_subset import LazyJson
from understudy_simulator.validation.loading import descriptions
from understudy_simulator.validation.reading import request_error
from understudy_simulator.validation.rules import request_rules

PARENT = "projects/fake-proj/locations/us-central1"
CAPTURED = [
    ("gemini", "GenerateContentRequest", {"contents": [{"parts": [{"text": "hi"}], "role": "user"}]}),
    ("gemini", "CountTokensRequest", {"contents": [{"parts": [{"text": "hi"}], "role": "user"}]}),
    ("vertex", "ComputeTokensRequest", {"contents": [{"parts": [{"text": "hi"}], "role": "user"}]}),
    (
        "gemini",
        "BatchEmbedContentsRequest",
        {"requests": [{"content": {"parts": [{"text": "hi"}], "role": "user"}, "model": "models/text-embedding-005"}]},
    ),
    ("vertex", "PredictRequest", {"instances": [{"content": "hi"}]}),
    (
        "gemini",
        "BatchEmbedContentsRequest",
        {
            "requests": [
                {"content": {"parts": [{"text": "a"}], "role": "user"}, "model": "models/gemini-embedding-001"},
                {"content": {"parts": [{"text": "b"}], "role": "user"}, "model": "models/gemini-embedding-001"},
            ]
        },
    ),
    (
        "vertex",
        "BatchEmbedContentsRequest",
        {
            "requests": [
                {"content": {"parts": [{"text": "a"}], "role": "user"}},
                {"content": {"parts": [{"text": "b"}], "role": "user"}},
            ]
        },
    ),
    (
        "gemini",
        "BatchEmbedContentsRequest",
        {
            "requests": [
                {
                    "content": {"parts": [{"text": "a"}], "role": "user"},
                    "taskType": "RETRIEVAL_QUERY",
                    "outputDimensionality": 64,
                    "model": "models/gemini-embedding-001",
                }
            ]
        },
    ),
    (
        "vertex",
        "EmbedContentRequest",
        {
            "content": {"parts": [{"text": "a"}], "role": "user"},
            "embedContentConfig": {"taskType": "RETRIEVAL_QUERY", "outputDimensionality": 64},
        },
    ),
    (
        "gemini",
        "BatchEmbedContentsRequest",
        {
            "requests": [
                {
                    "content": {"parts": [{"text": "a"}, {"text": "b"}], "role": "user"},
                    "model": "models/gemini-embedding-2",
                }
            ]
        },
    ),
    ("vertex", "EmbedContentRequest", {"content": {"parts": [{"text": "a"}, {"text": "b"}], "role": "user"}}),
    ("vertex", "PredictRequest", {"instances": [{"prompt": "cat"}], "parameters": {"sampleCount": 1}}),
    (
        "vertex",
        "PredictRequest",
        {
            "instances": [
                {
                    "prompt": "x",
                    "referenceImages": [
                        {
                            "referenceImage": {"bytesBase64Encoded": "iVBORw==", "mimeType": "image/png"},
                            "referenceId": 1,
                            "referenceType": "REFERENCE_TYPE_RAW",
                        }
                    ],
                }
            ],
            "parameters": {"editMode": "EDIT_MODE_DEFAULT"},
        },
    ),
    (
        "vertex",
        "PredictRequest",
        {
            "instances": [{"image": {"bytesBase64Encoded": "iVBORw==", "mimeType": "image/png"}}],
            "parameters": {"upscaleConfig": {"upscaleFactor": "x2"}, "sampleCount": 1, "mode": "upscale"},
        },
    ),
    (
        "vertex",
        "PredictRequest",
        {
            "instances": [
                {
                    "personImage": {"image": {"bytesBase64Encoded": "iVBORw==", "mimeType": "image/png"}},
                    "productImages": [{"image": {"bytesBase64Encoded": "iVBORw==", "mimeType": "image/png"}}],
                }
            ]
        },
    ),
    (
        "vertex",
        "PredictRequest",
        {
            "instances": [{"image": {"bytesBase64Encoded": "iVBORw==", "mimeType": "image/png"}}],
            "parameters": {"mode": "FOREGROUND"},
        },
    ),
    (
        "vertex",
        "PredictLongRunningRequest",
        {
            "instances": [{"prompt": "cat"}],
            "parameters": {"sampleCount": 1, "durationSeconds": 8, "aspectRatio": "16:9"},
        },
    ),
    ("gemini", "TunedModel", {"displayName": "d"}),
    (
        "gemini",
        "CachedContent",
        {"model": "models/gemini-2.5-flash", "ttl": "60s", "contents": [{"parts": [{"text": "hi"}], "role": "user"}]},
    ),
    (
        "vertex",
        "CachedContent",
        {
            "model": f"{PARENT}/publishers/google/models/gemini-2.5-flash",
            "ttl": "60s",
            "contents": [{"parts": [{"text": "hi"}], "role": "user"}],
        },
    ),
    ("gemini", "CachedContent", {"ttl": "90s"}),
    ("gemini", "CreateFileRequest", {"file": {"display_name": "T", "mime_type": "text/plain", "size_bytes": 5}}),
    ("gemini", "RegisterFilesRequest", {"uris": ["gs://b/o"]}),
    (
        "gemini",
        "BatchGenerateContentRequest",
        {
            "batch": {
                "inputConfig": {"requests": {"requests": [{"request": {"contents": [{"parts": [{"text": "hi"}]}]}}]}},
                "displayName": "d",
            }
        },
    ),
    (
        "vertex",
        "BatchPredictionJob",
        {
            "model": "publishers/google/models/gemini-2.5-flash",
            "inputConfig": {"instancesFormat": "jsonl", "gcsSource": {"uris": ["gs://b/i.jsonl"]}},
            "displayName": "d",
            "outputConfig": {"predictionsFormat": "jsonl", "gcsDestination": {"outputUriPrefix": "gs://b/o"}},
        },
    ),
    ("gemini", "BatchGenerateContentRequest", {"batch": {"inputConfig": {"fileName": "files/abc"}}}),
    ("gemini", "AsyncBatchEmbedContentRequest", {"batch": {"inputConfig": {"file_name": "files/abc"}}}),
    ("gemini", "TunedModel", {"baseModel": "models/gemini-1.5-flash-001-tuning"}),
    (
        "vertex",
        "TuningJob",
        {"baseModel": "gemini-2.5-flash", "supervisedTuningSpec": {"trainingDatasetUri": "gs://b/t.jsonl"}},
    ),
    (
        "vertex",
        "ValidateReinforcementTuningRewardRequest",
        {"sampleResponse": {"parts": [{"text": "x"}]}, "example": {}, "singleRewardConfig": {}},
    ),
    ("gemini", "AuthToken", {"uses": 1}),
    (
        "gemini",
        "AuthToken",
        {
            "uses": 1,
            "bidiGenerateContentSetup": {
                "model": "models/gemini-live-2.5-flash",
                "generationConfig": {"temperature": 0.5},
            },
            "fieldMask": "model,generationConfig.temperature",
        },
    ),
    ("gemini", "FileSearchStore", {"displayName": "s"}),
    ("gemini", "UploadToFileSearchStoreRequest", {"displayName": "d"}),
    ("gemini", "ImportFileRequest", {"fileName": "files/abc"}),
    (
        "vertex",
        "FetchPredictOperationRequest",
        {"operationName": f"{PARENT}/publishers/google/models/veo-3.0-generate-001/operations/op1"},
    ),
    ("vertex", "FetchPredictOperationRequest", {"operationName": "fileSearchStores/s/operations/op1"}),
    # The JS client, LangChain and plain REST users.
    ("gemini", "CreateFileRequest", {"file": {"displayName": "T", "mimeType": "text/plain", "sizeBytes": "5"}}),
    (
        "gemini",
        "GenerateContentRequest",
        {
            "contents": [{"parts": [{"text": "hi"}], "role": "user"}],
            "safetySettings": [],
            "generationConfig": {"temperature": 0.7, "candidateCount": 1},
        },
    ),
    (
        "gemini",
        "GenerateContentRequest",
        {
            "contents": [{"parts": [{"text": "hi"}]}],
            "tools": [{"fileSearch": {"file_search_store_names": ["fileSearchStores/s"]}}],
        },
    ),
    (
        "gemini",
        "CountTokensRequest",
        {"generateContentRequest": {"model": "models/gemini-2.5-flash", "contents": [{"parts": [{"text": "hi"}]}]}},
    ),
    (
        "vertex",
        "PredictRequest",
        {
            "instances": [{"content": "a", "task_type": "RETRIEVAL_QUERY", "title": "t"}],
            "parameters": {"outputDimensionality": 64, "autoTruncate": True},
        },
    ),
    (
        "vertex",
        "GenerateContentRequest",
        {
            "contents": {"role": "user", "parts": {"text": "hi"}},
            "labels": {"a": "b"},
            "generation_config": {"maxOutputTokens": 10},
        },
    ),
]
METHODS = {
    "GenerateContentRequest": "generateContent",
    "CountTokensRequest": "countTokens",
    "ComputeTokensRequest": "computeTokens",
    "EmbedContentRequest": "embedContent",
    "BatchEmbedContentsRequest": "batchEmbedContents",
    "PredictLongRunningRequest": "predictLongRunning",
}


@pytest.mark.parametrize(("service", "message", "value"), CAPTURED)
def test_no_captured_request_is_refused(service, message, value):
    for version in ("v1", "v1beta", "v1alpha") if service == "gemini" else ("v1", "v1beta1"):
        assert request_error(descriptions(service, version), message, LazyJson(json.dumps(value).encode())) is None
    method = METHODS.get(message)
    if method is not None:
        assert request_rules(service, method, "gemini-2.5-flash", value) is None


@pytest.mark.parametrize(("service", "message", "value"), CAPTURED)
def test_the_same_request_with_one_name_too_many_is_refused(service, message, value):
    longer = value | {"noSuchField": 1}
    error = request_error(descriptions(service, "v1"), message, LazyJson(json.dumps(longer).encode()))
    assert error is not None
    assert error.message == 'Invalid JSON payload received. Unknown name "noSuchField": Cannot find field.'
