"""Calls that google-genai tries again by its own `retry_options`, and one that is left; a program of its own.

It runs in the interpreter of a client environment, where google-genai is installed and Understudy is not.

    in    {"base_url": "http://...", "calls": [{"scope", "retry": {...} | null, "leaves": bool}]}
    out   a line for each call, sync and async: {"scope", "ended"}; ended is "ok" or the code that was raised
"""

import asyncio
import json
import sys
from typing import Any

from google import genai  # pyright: ignore[reportAttributeAccessIssue]
from google.genai import errors  # pyright: ignore[reportMissingImports]

MODEL = "gemini-2.5-flash"


def client_of(base_url: str, call: dict[str, Any], way: str) -> genai.Client:
    """A client as a user would make it, with the call's scope as its one extra header."""
    options: dict[str, Any] = {"base_url": base_url, "headers": {"x-understudy-scope": f"{call['scope']}.{way}"}}
    if call["retry"] is not None:
        options["retry_options"] = call["retry"]
    return genai.Client(api_key="AIza-a-key", vertexai=False, http_options=options)


def sync_call(client: genai.Client, leaves: bool) -> None:
    """The call with the synchronous client."""
    if not leaves:
        client.models.generate_content(model=MODEL, contents="hello")
        return
    stream = client.models.generate_content_stream(model=MODEL, contents="hello")
    next(iter(stream))
    stream.close()


async def async_call(client: genai.Client, leaves: bool) -> None:
    """The same with the asynchronous client."""
    if not leaves:
        await client.aio.models.generate_content(model=MODEL, contents="hello")
        return
    stream = await client.aio.models.generate_content_stream(model=MODEL, contents="hello")
    await anext(stream)
    await stream.aclose()


def ended(base_url: str, call: dict[str, Any], way: str) -> str:
    """How one call ended."""
    client = client_of(base_url, call, way)
    try:
        if way == "async":
            asyncio.run(async_call(client, call["leaves"]))
        else:
            sync_call(client, call["leaves"])
    except errors.APIError as error:
        return str(error.code)
    return "ok"


def main() -> None:
    """Read the plan, make the calls, tell how they ended."""
    plan = json.load(sys.stdin)
    for call in plan["calls"]:
        for way in ("sync", "async"):
            print(
                json.dumps({"scope": f"{call['scope']}.{way}", "ended": ended(plan["base_url"], call, way)}), flush=True
            )


if __name__ == "__main__":
    main()
