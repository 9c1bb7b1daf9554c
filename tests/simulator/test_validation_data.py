"""The shipped descriptions: they load, stay small, and are what the script makes of its sources."""

import importlib.metadata
import importlib.util
import json
from importlib.resources import files
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from understudy_simulator.validation.described import read_descriptions
from understudy_simulator.validation.loading import descriptions

SCRIPTS = Path(__file__).parents[2] / "scripts"
DATA = files("understudy_simulator.validation") / "data"
NAMES = ("gemini", "vertex_v1", "vertex_v1beta1")
BOTH = (
    "GenerateContentRequest",
    "CountTokensRequest",
    "EmbedContentRequest",
    "BatchEmbedContentsRequest",
    "PredictRequest",
    "PredictLongRunningRequest",
    "CachedContent",
    "Model",
    "Operation",
)
GEMINI = (
    *("CreateFileRequest", "File", "BatchGenerateContentRequest", "AsyncBatchEmbedContentRequest", "TunedModel"),
    *("AuthToken", "FileSearchStore", "ImportFileRequest", "UploadToFileSearchStoreRequest", "Document"),
)
VERTEX = ("FetchPredictOperationRequest", "ComputeTokensRequest", "BatchPredictionJob", "TuningJob")


def script() -> Any:
    spec = importlib.util.spec_from_file_location("describe_google", SCRIPTS / "describe_google.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def text_of(name: str) -> str:
    return (DATA / f"{name}.json").read_text("utf-8")


@pytest.mark.parametrize("name", NAMES)
def test_the_files_are_small_and_name_their_sources(name: str):
    assert len(text_of(name)) < 400_000
    data = json.loads(text_of(name))
    first, *others = data["sources"]
    package = "google-ai-generativelanguage " if name == "gemini" else "google-api-python-client "
    assert first.startswith(package)
    assert any("google-genai 3.4" in source for source in others)


@pytest.mark.parametrize("name", NAMES)
def test_the_files_are_as_the_script_writes_them(name: str):
    text = text_of(name)
    assert script().written(json.loads(text)) == text


@pytest.mark.parametrize("version", ["v1", "v1beta", "v1alpha"])
def test_the_gemini_api_has_the_messages_of_its_routes(version: str):
    assert descriptions("gemini", version).messages.keys() >= {*BOTH, *GEMINI}


@pytest.mark.parametrize("version", ["v1", "v1beta1"])
def test_vertex_ai_has_the_messages_of_its_routes(version: str):
    known = descriptions("vertex", version)
    assert known.messages.keys() >= {*BOTH, *VERTEX}
    assert known.package == f"google.cloud.aiplatform.{version}"


def test_every_line_of_the_overlays_is_in_the_data():
    """All that an overlay adds to a message that ships must be there, with its type."""
    made = script()
    for overlay_name, names in (("gemini", NAMES[:1]), ("vertex", NAMES[1:])):
        overlay = made._overlay(overlay_name)
        for name in names:
            messages = json.loads(text_of(name))["messages"]
            for message, fields in overlay["messages"].items():
                for field, line in fields.items():
                    kind = made._overlay_type(line, overlay["sources"])
                    assert messages[message][field].partition("|")[0] == kind.partition("|")[0], (message, field)


DISCOVERY = {
    "schemas": {
        "GoogleCloudAiplatformV1Ask": {
            "properties": {
                "tools": {"type": "array", "items": {"$ref": "GoogleCloudAiplatformV1Tool"}},
                "size": {"type": "string", "format": "int64"},
                "labels": {"type": "object", "additionalProperties": {"type": "string"}},
                "args": {"type": "object", "additionalProperties": {"type": "any"}},
                "meta": {
                    "type": "object",
                    "additionalProperties": {"type": "any", "description": "Field @type with type URL."},
                },
                "level": {"type": "string", "enum": ["LEVEL_UNSPECIFIED", "LOW"]},
                "category": {"type": "string", "enum": ["HARM_CATEGORY_UNSPECIFIED", "HATE"]},
                "value": {"$ref": "GoogleCloudAiplatformV1Value"},
                "error": {"$ref": "GoogleRpcStatus"},
            }
        },
        "GoogleCloudAiplatformV1Tool": {"properties": {"search": {"$ref": "GoogleCloudAiplatformV1ToolSearch"}}},
        "GoogleCloudAiplatformV1ToolSearch": {"properties": {"data": {"type": "string", "format": "byte"}}},
        "GoogleCloudAiplatformV1Value": {"properties": {"intValue": {"type": "integer", "format": "int32"}}},
        "GoogleCloudAiplatformV1Unused": {"properties": {"x": {"type": "boolean"}}},
        "GoogleRpcStatus": {"properties": {"code": {"type": "integer", "format": "int32"}}},
    }
}


def test_a_discovery_document_becomes_compact():
    made = script()
    tables = made.from_discovery(DISCOVERY, "GoogleCloudAiplatformV1", {"Ask.category": "HarmCategory"})
    overlay = {
        "sources": {"seen": "somewhere"},
        "messages": {"Ask": {"extra": "repeated ToolSearch in one from seen", "notes": "map string from seen"}},
        "enums": {"HarmCategory": ["NEW"]},
        "groups": {"Ask": {"one": ["size"]}},
        "titles": {"Status": "google.rpc.Status"},
    }
    data = made.compact(made.overlaid(tables, overlay), ["Ask"], "google.cloud.aiplatform.{version}", ["a", "b"])
    assert data == {
        "package": "google.cloud.aiplatform.{version}",
        "sources": ["a", "b"],
        "messages": {
            "Ask": {
                "args": "Struct",
                "category": "HarmCategory",
                "error": "Status",
                "extra": "[]ToolSearch|one",
                "labels": "{}string",
                "level": "Ask.Level",
                "meta": "Any",
                "notes": "{}string",
                "size": "int64|one",
                "tools": "[]Tool",
                "value": "OwnValue",
            },
            "OwnValue": {"intValue": "int32"},
            "Status": {"code": "int32"},
            "Tool": {"search": "ToolSearch"},
            "ToolSearch": {"data": "bytes"},
        },
        "enums": {
            "Ask.Level": ["LEVEL_UNSPECIFIED", "LOW"],
            "HarmCategory": ["HARM_CATEGORY_UNSPECIFIED", "HATE", "NEW"],
        },
        "titles": {"OwnValue": "Value", "Status": "google.rpc.Status", "ToolSearch": "Tool.Search"},
    }
    read = read_descriptions(json.loads(made.written(data)), "v1")
    assert read.type_url("ToolSearch") == "type.googleapis.com/google.cloud.aiplatform.v1.Tool.Search"
    assert read.type_url("Status") == "type.googleapis.com/google.rpc.Status"
    assert read.messages["Ask"]["extra"].group == "one"


def descriptor(full_name: str, *fields: SimpleNamespace, is_map: bool = False) -> SimpleNamespace:
    by_name = {field.json_name: field for field in fields}
    options = SimpleNamespace(map_entry=is_map)
    return SimpleNamespace(full_name=full_name, fields=fields, fields_by_name=by_name, GetOptions=lambda: options)


def proto_field(
    name: str, kind: int, message: Any = None, enum: Any = None, oneof: str = "", **more: Any
) -> SimpleNamespace:
    group = SimpleNamespace(name=oneof) if oneof else None
    return SimpleNamespace(
        json_name=name,
        type=kind,
        message_type=message,
        enum_type=enum,
        containing_oneof=group,
        is_repeated=more.get("repeated", False),
    )


def test_proto_descriptors_become_compact():
    package = "google.ai.generativelanguage.v1beta"
    enum = SimpleNamespace(full_name=f"{package}.Type", values=[SimpleNamespace(name="TYPE_UNSPECIFIED")])
    struct = descriptor("google.protobuf.Struct")
    inner = descriptor(
        f"{package}.Part", proto_field("text", 9, oneof="data"), proto_field("thought", 8, oneof="_thought")
    )
    entry = descriptor(f"{package}.E", proto_field("key", 9), proto_field("value", 11, inner), is_map=True)
    outer = descriptor(
        f"{package}.Content",
        proto_field("parts", 11, inner, repeated=True),
        proto_field("byName", 11, entry, repeated=True),
        proto_field("type_", 14, enum=enum),
        proto_field("args", 11, struct),
    )
    tables = script().from_descriptors([outer], package)
    assert tables.messages == {
        "Content": {"parts": "[]Part", "byName": "{}Part", "type": "Type", "args": "Struct"},
        "Part": {"text": "string|data", "thought": "bool"},
    }
    assert tables.enums == {"Type": ["TYPE_UNSPECIFIED"]}


@pytest.mark.parametrize("line", ["string", "string from nowhere", "string in a from nowhere"])
def test_a_line_without_a_source_is_refused(line: str):
    made = script()
    with pytest.raises(ValueError, match="no source"):
        made.overlaid(made.Tables(), {"sources": {"seen": "x"}, "messages": {"A": {"b": line}}})


def test_an_overlay_does_not_contradict_its_base():
    made = script()
    base = made.Tables({"A": {"b": "int32"}})
    with pytest.raises(ValueError, match=r"A\.b is known as int32, not string"):
        made.overlaid(base, {"sources": {"seen": "x"}, "messages": {"A": {"b": "string from seen"}}})
