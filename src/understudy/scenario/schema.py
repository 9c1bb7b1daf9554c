"""The JSON Schema of a scenario file, for editors: words, their meaning, and what excludes what."""

from typing import Any, Final

from .document import ScenarioDoc
from .document_bodies import FAULT_WORDS
from .document_faults import INJECTED_WORDS

_TITLES: Final = "Understudy scenario"
_ONE_OF: Final = {
    "SendDoc": ("json", "text", "base64", "file"),
    "StartDoc": ("json", "text", "base64", "file"),
    "RawDoc": ("json", "text", "base64", "file", "error"),
    "ChunkDoc": ("json", "text", "base64", "file", "error", "raw", "pause", "fault"),
    "ReceiveDoc": ("json", "close", "any"),
    "ReceiveUntilDoc": ("json", "close"),
    "SendAudioDoc": ("tone_hz", "silence", "file"),
    "FaultDoc": FAULT_WORDS,
    "InjectionDoc": INJECTED_WORDS,
    "ThenDoc": ("videos", "response", "error"),
    "DetailDoc": ("retry_info", "quota_failure", "help", "error_info", "localized_message", "bad_request"),
}
"""Parts of a document of whose words exactly one must be there."""


def json_schema() -> dict[str, Any]:
    """The schema (draft 2020-12) of a scenario file, as a JSON value of its own."""
    schema = ScenarioDoc.model_json_schema(mode="validation")
    for name, words in _ONE_OF.items():
        schema["$defs"][name]["oneOf"] = [{"required": [word]} for word in words]
    for name in ("ServerStepDoc", "ClientStepDoc"):
        step = schema["$defs"][name]
        words = [word for word in step["properties"] if word not in ("times", "interrupt_on", "retry", "fault")]
        one = [{"required": [word]} for word in words]
        step["oneOf"] = [*one, {"required": ["fault"], "not": {"anyOf": one}}]
    schema["anyOf"] = [{"required": ["server"]}, {"required": ["faults"]}]
    _without_nulls(schema)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": _TITLES}


def _without_nulls(node: Any) -> None:
    """Takes away `null` where it only means that a word is absent: in a file an absent word is left out."""
    if isinstance(node, list):
        for inner in node:  # pyright: ignore[reportUnknownVariableType]
            _without_nulls(inner)
    elif isinstance(node, dict):
        if node.get("default", 0) is None and "anyOf" in node:  # pyright: ignore[reportUnknownMemberType]
            del node["default"]
            node["anyOf"] = [choice for choice in node["anyOf"] if choice != {"type": "null"}]  # pyright: ignore[reportUnknownVariableType]
        for inner in node.values():  # pyright: ignore[reportUnknownVariableType]
            _without_nulls(inner)
