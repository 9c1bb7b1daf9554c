"""Calls that are refused, made with Google's official Python client; a program of its own.

It runs in the interpreter of a client environment, where google-genai is installed and Understudy is not.

    in    {"base_url": "http://...", "calls": [{"scope", "service": "gemini" | "vertex", "way": "whole" | "stream"}]}
    out   a line for each call, sync and async: {"scope", "async", "type", "code", "status", "message", "details",
          "chunks"}; type "" if nothing was raised, chunks is how many came before
"""

import asyncio
import json
import sys
from typing import Any

from google import genai  # pyright: ignore[reportAttributeAccessIssue]
from google.genai import errors  # pyright: ignore[reportMissingImports]
from google.oauth2 import credentials

MODEL = "gemini-2.5-flash"


def client_of(base_url: str, call: dict[str, Any]) -> genai.Client:
    """A client as a user would make it, with the call's scope as its one extra header."""
    options = {"base_url": base_url, "headers": {"x-understudy-scope": call["scope"]}}
    if call["service"] == "gemini":
        return genai.Client(api_key="AIza-a-key", vertexai=False, http_options=options)
    token = credentials.Credentials(token="ya29.a-token")
    return genai.Client(vertexai=True, project="P", location="us-central1", credentials=token, http_options=options)


def sync_call(client: genai.Client, way: str, chunks: list[Any]) -> None:
    """The call itself; what comes of it is put into `chunks`."""
    if way == "whole":
        chunks.append(client.models.generate_content(model=MODEL, contents="hello"))
        return
    for chunk in client.models.generate_content_stream(model=MODEL, contents="hello"):
        chunks.append(chunk)  # noqa: PERF402 - those before the error count


async def async_call(client: genai.Client, way: str, chunks: list[Any]) -> None:
    """The same with the asynchronous client."""
    if way == "whole":
        chunks.append(await client.aio.models.generate_content(model=MODEL, contents="hello"))
        return
    async for chunk in await client.aio.models.generate_content_stream(model=MODEL, contents="hello"):
        chunks.append(chunk)  # noqa: PERF401 - those before the error count


def told(call: dict[str, Any], is_async: bool, client: genai.Client) -> dict[str, Any]:
    """What one call raised."""
    chunks: list[Any] = []
    found: dict[str, Any] = {"scope": call["scope"], "async": is_async, "type": ""}
    try:
        if is_async:
            asyncio.run(async_call(client, call["way"], chunks))
        else:
            sync_call(client, call["way"], chunks)
    except errors.APIError as error:
        found |= {"type": type(error).__name__, "code": error.code, "status": error.status, "message": error.message}
        found["details"] = error.details
    return found | {"chunks": len(chunks)}


def main() -> None:
    """Read the plan, make the calls, tell what they raised."""
    plan = json.load(sys.stdin)
    for call in plan["calls"]:
        for is_async in (False, True):
            print(json.dumps(told(call, is_async, client_of(plan["base_url"], call))), flush=True)


if __name__ == "__main__":
    main()
