"""The requests that clients make, as bytes on the wire."""

import json
from collections.abc import Mapping
from random import Random
from typing import Final

from .canaries import CARRIERS, Canaries

MODEL: Final = "gemini-2.5-flash"
EMBEDDING: Final = "gemini-embedding-001"
VIDEO: Final = "veo-3.1-generate-preview"
UPLOADS: Final = (2_000, 60_000, 400_000)
"""Sizes of files."""

_PREFIXES: Final = (f"/gemini/v1beta/models/{MODEL}", f"/vertex_ai/publishers/google/models/{MODEL}")


def prompt(canaries: Canaries, draws: Random) -> bytes:
    """A body of generateContent."""
    words = "word " * draws.randint(5, 200)
    return json.dumps({"contents": [{"role": "user", "parts": [{"text": f"{canaries.prompt} {words}"}]}]}).encode()


def generate(id: str, canaries: Canaries, draws: Random, *, streams: bool) -> bytes:
    """A unary or streamed request, on the Gemini API or on Vertex AI."""
    method = "streamGenerateContent" if streams else "generateContent"
    target = f"{draws.choice(_PREFIXES)}:{method}"
    query = ["alt=sse"] if streams and draws.random() < 0.8 else []
    return request(target, query, prompt(canaries, draws), id, canaries, draws)


def embed(id: str, canaries: Canaries, draws: Random) -> bytes:
    """A request for an embedding."""
    body = {"content": {"parts": [{"text": f"{canaries.prompt} {draws.random()}"}]}}
    return request(
        f"/gemini/v1beta/models/{EMBEDDING}:embedContent", [], json.dumps(body).encode(), id, canaries, draws
    )


def upload(id: str, canaries: Canaries, draws: Random) -> bytes:
    """A file in one multipart request."""
    part = b"--soak\r\nContent-Type: %b\r\n\r\n%b\r\n"
    body = part % (b"application/json", b'{"file":{"displayName":"soak"}}')
    body += part % (b"text/plain", b"x" * draws.choice(UPLOADS)) + b"--soak--\r\n"
    more = {"X-Goog-Upload-Protocol": "multipart"}
    kind = "multipart/related; boundary=soak"
    return request("/gemini/upload/v1beta/files", [], body, id, canaries, draws, kind=kind, more=more)


def start_video(id: str, canaries: Canaries, draws: Random) -> bytes:
    """The start of a video."""
    body = {"instances": [{"prompt": canaries.prompt}], "parameters": {"durationSeconds": 4}}
    return request(
        f"/gemini/v1beta/models/{VIDEO}:predictLongRunning", [], json.dumps(body).encode(), id, canaries, draws
    )


def poll(name: str, id: str, canaries: Canaries, draws: Random) -> bytes:
    """A poll of an operation."""
    return request(f"/gemini/v1beta/{name}", [], None, id, canaries, draws)


def request(
    target: str,
    query: list[str],
    body: bytes | None,
    id: str,
    canaries: Canaries,
    draws: Random,
    *,
    kind: str = "application/json",
    more: Mapping[str, str] | None = None,
) -> bytes:
    """A request that shows the gateway key of one carrier, and now and then a Google token of the client's own."""
    carrier = draws.choice(CARRIERS)
    key, fields = canaries.keys[carrier], {"Host": "soak", "x-litellm-call-id": id, **(more or {})}
    match carrier:
        case "query":
            query = [*query, f"key={key}"]
        case "authorization":
            fields["Authorization"] = f"Bearer {key}"
        case _:
            fields[carrier] = key
    if carrier != "authorization" and draws.random() < 0.2:
        fields["Authorization"] = f"Bearer {canaries.google}"
    if body is not None:
        fields |= {"Content-Type": kind, "Content-Length": str(len(body))}
    line = f"{'GET' if body is None else 'POST'} {target}{'?' if query else ''}{'&'.join(query)} HTTP/1.1"
    lines = [line, *(f"{name}: {value}" for name, value in fields.items())]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + (body or b"")
