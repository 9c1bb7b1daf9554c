"""Errors about what a request says, and about what it names (wire-http 5.2, 6.2)."""

import json
from collections.abc import Sequence
from typing import Final

from ..rpc_status import bad_request
from .model import ProviderError

_RPC_NAMES: Final = {"batchEmbedContents": "embedContent", "streamGenerateContent": "generateContent"}
"""What the text of an unknown model calls some methods (wire-http 5.2)."""


def rpc_in_text(method: str) -> str:
    """The method as the Gemini API's text about an unknown model names it."""
    return "generateContent" if method in ("get", "list", "") else _RPC_NAMES.get(method, method)


def unknown_fields(places: Sequence[tuple[str, str]]) -> ProviderError:
    """Fields that the message does not have: pairs of the path of the parent (empty at the root) and the name."""
    texts = [
        f'Invalid JSON payload received. Unknown name "{name}"'
        + (f" at '{path}'" if path else "")
        + ": Cannot find field."
        for path, name in places
    ]
    violations = [(path or None, text) for (path, _), text in zip(places, texts, strict=True)]
    return ProviderError(400, "\n".join(texts), (bad_request(violations),))


def wrong_values(places: Sequence[tuple[str, str, str]]) -> ProviderError:
    """Values of a wrong type: triples of path, type (`TYPE_FLOAT`, or the URL of an enum) and the value as JSON."""
    texts = [f"Invalid value at '{path}' ({kind}), {value}" for path, kind, value in places]
    violations = [(path, text) for (path, _, _), text in zip(places, texts, strict=True)]
    return ProviderError(400, "\n".join(texts), (bad_request(violations),))


def json_scalar(text: str) -> str:
    """A value as the text of an error shows it: numbers and words of JSON as they are, anything else in quotes."""
    try:
        value = json.loads(text)
    except ValueError:
        value = text
    return text if isinstance(value, int | float | list | dict | None) else json.dumps(text, ensure_ascii=False)


def malformed_json(excerpt: str) -> ProviderError:
    """The body is no JSON."""
    return ProviderError(400, f"Invalid JSON payload received. Unexpected token.\n{excerpt}\n^")


def missing_contents(is_vertex: bool) -> ProviderError:
    """No `contents` in a request that needs them."""
    if is_vertex:
        return ProviderError(
            400,
            "Unable to submit request because at least one contents field is required. Learn more: "
            "https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/gemini",
        )
    return ProviderError(400, "* GenerateContentRequest.contents: contents is not specified\n")


def invalid_argument(message: str = "Request contains an invalid argument.") -> ProviderError:
    """A plain 400."""
    return ProviderError(400, message)


def url_fetch(status: str) -> ProviderError:
    """Vertex AI may not, or cannot, fetch a file that the request points to."""
    return ProviderError(
        400,
        "Cannot fetch content from the provided URL. Please ensure the URL is valid and accessible by Vertex AI. "
        "Vertex AI respects robots.txt rules, so confirm the URL is allowed to be crawled. "
        f"Status: {status}",
    )


def region() -> ProviderError:
    """The client calls from a country that the API does not serve."""
    return ProviderError(400, "User location is not supported for the API use.", code="FAILED_PRECONDITION")


def too_large(limit: str) -> ProviderError:
    """The body is beyond what is accepted."""
    return ProviderError(413, f"Request payload size exceeds the limit: {limit} bytes.")


def unknown_gemini_model(name: str, version: str, method: str) -> ProviderError:
    """No model of that name (`models/m`), or it cannot do what was asked."""
    return ProviderError(
        404,
        f"{name} is not found for API version {version}, or is not supported for {method}. "
        "Call ListModels to see the list of available models and their supported methods.",
    )


def unknown_vertex_model(name: str) -> ProviderError:
    """No model of that name (`projects/P/locations/L/publishers/google/models/m`)."""
    return ProviderError(
        404,
        f"Publisher Model `{name}` was not found or your project does not have access to it. Please ensure you "
        "are using a valid model version. For more information, see: "
        "https://cloud.google.com/vertex-ai/generative-ai/docs/learn/model-versions",
    )


def unknown_file(file_id: str) -> ProviderError:
    """No file of that id."""
    return ProviderError(403, f"You do not have permission to access the File {file_id} or it may not exist.")


def unknown_operation(name: str) -> ProviderError:
    """No operation of that name."""
    return ProviderError(404, f"Operation not found: {name}" if name else "Operation not found.")


def unsupported_member(member: str) -> ProviderError:
    """A member of `instances` or `parameters` that the model does not know (wire-http 6.2)."""
    tail = (
        ""
        if member in ("inlineData", "fileUri")
        else " Please remove it or refer to the Gemini API documentation for supported usage."
    )
    return ProviderError(400, f"`{member}` isn't supported by this model.{tail}")


def no_number(parameter: str) -> ProviderError:
    """A parameter of a film must be a number (wire-http 6.2)."""
    return ProviderError(400, f"The value type for `{parameter}` needs to be a number.")


def out_of_bound(parameter: str, low: str, high: str) -> ProviderError:
    """A parameter of a film is beyond its bounds (wire-http 6.2)."""
    return ProviderError(
        400,
        f"The number value for `{parameter}` is out of bound. Please provide a value between {low} and {high}, "
        "inclusive.",
    )


NOT_FOUND_PAGE: Final = """<!DOCTYPE html>
<html lang=en>
  <meta charset=utf-8>
  <meta name=viewport content="initial-scale=1, minimum-scale=1, width=device-width">
  <title>Error 404 (Not Found)!!1</title>
  <a href=//www.google.com/><span id=logo aria-label=Google></span></a>
  <p><b>404.</b> <ins>That\u2019s an error.</ins>
  <p>The requested URL <code>{path}</code> was not found on this server.  <ins>That\u2019s all we know.</ins>
"""
"""What the frontend answers for a path that no API has; `{path}` is escaped for HTML."""


def not_found_page(path: str) -> ProviderError:
    """The frontend's page for a path that no API has; `path` is escaped for HTML, or a slot that will be."""
    return ProviderError(
        404,
        f"The requested URL {path} was not found on this server.",
        headers=((b"Content-Type", b"text/html; charset=UTF-8"), (b"Referrer-Policy", b"no-referrer")),
        page=NOT_FOUND_PAGE.format(path=path),
    )
