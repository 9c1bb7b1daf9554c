"""Model resources and lists of them, as JSON values (wire-http 9)."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping, Sequence
from typing import Any, Final

from ..catalogue import Model

_USUAL_PAGE: Final = 50
_LARGEST_PAGE: Final = 1000


def model_resource(model: Model, is_vertex: bool) -> dict[str, Any]:
    """One model, as `models/{m}` (Gemini) or `publishers/{p}/models/{m}` (Vertex) shows it."""
    if is_vertex:
        return {
            "name": f"publishers/{model.publisher}/models/{model.id}",
            "versionId": "default",
            "openSourceCategory": "PROPRIETARY",
            "launchStage": "PUBLIC_PREVIEW" if "preview" in model.id else "GA",
            "publisherModelTemplate": "projects/{user-project}/locations/{location}/"
            + f"publishers/{model.publisher}/models/{model.id}",
        }
    resource: dict[str, Any] = {
        "name": f"models/{model.id}",
        "version": model.version,
        "displayName": model.display_name,
        "description": f"{model.display_name}, as the simulator has it.",
        "inputTokenLimit": model.input_limit,
        "outputTokenLimit": model.output_limit,
        "supportedGenerationMethods": list(model.shown_methods),
    }
    if model.kind in ("text", "image", "tts", "live"):
        resource |= {"temperature": 1, "topP": 0.95, "topK": 64, "maxTemperature": 2}
    if model.is_thinking:
        resource["thinking"] = True
    return resource


def model_list(models: Sequence[Model], query: Mapping[str, str], is_vertex: bool) -> dict[str, Any] | None:
    """One page of models; None if the page token is none of ours or the page size no number."""
    size = query.get("pageSize", "0") or "0"
    start = _start_of(query.get("pageToken", ""))
    if start is None or not (size.isascii() and size.isdigit() and len(size) < 10):
        return None
    count = min(int(size) or _USUAL_PAGE, _LARGEST_PAGE)
    page = models[start : start + count]
    answer: dict[str, Any] = {
        "publisherModels" if is_vertex else "models": [model_resource(model, is_vertex) for model in page]
    }
    if not page:
        answer = {}
    if start + count < len(models):
        answer["nextPageToken"] = urlsafe_b64encode(f"models:{start + count}".encode()).decode()
    return answer


def _start_of(token: str) -> int | None:
    if not token:
        return 0
    try:
        text = urlsafe_b64decode(token.encode()).decode("ascii")
    except ValueError:
        return None
    name, _, start = text.partition(":")
    return int(start) if name == "models" and start.isdigit() and len(start) < 10 else None
