"""A conversation of Google's official Python client, as a program of its own.

It runs in the interpreter of a client environment, where google-genai is installed and Understudy is not. It reads a
plan from standard input and writes one JSON line a step to standard output:

    in    {"service": "gemini" | "vertex" | "express", "base_url": "https://...", "key": "...", "ca": "/path.pem",
           "service_account": "/path.json" | null, "project": "...", "location": "...",
           "steps": [{"name": "generate", "scope": "gemini.generate", "model": "...", "key": "..." (optional)}]}
    out   {"step": "generate", "scope": "...", "ok": true, "values": {...}}
          {"step": "quota", "scope": "...", "ok": false, "error": {"type", "code", "status", "message", "retry_delay"}}

Works with google-genai 1.75 and newer.
"""

import asyncio
import hashlib
import json
import sys
from typing import Any

from google import genai
from google.genai import errors, types
from google.oauth2 import credentials as oauth_credentials
from google.oauth2 import service_account

PROMPT = "Say good morning."
WEATHER = {
    "name": "get_weather",
    "description": "The weather in a city",
    "parameters": {"type": "OBJECT", "properties": {"city": {"type": "STRING"}}, "required": ["city"]},
}
CLOUD_PLATFORM = "https://www.googleapis.com/auth/cloud-platform"


def client_of(plan: dict[str, Any], step: dict[str, Any]) -> genai.Client:
    """A client as a user would make it, with the step's scope as its one extra header."""
    options = {"base_url": plan["base_url"], "headers": {"x-understudy-scope": step["scope"]}}
    key = step.get("key", plan["key"])
    if plan["service"] == "gemini":
        return genai.Client(api_key=key, vertexai=False, http_options=options)
    if plan["service"] == "express":
        return genai.Client(api_key=key, vertexai=True, http_options=options)
    return genai.Client(
        vertexai=True,
        project=plan["project"],
        location=plan["location"],
        credentials=credentials_of(plan, key),
        http_options=options,
    )


def credentials_of(plan: dict[str, Any], key: str) -> Any:
    """The service account of the plan, or the gateway key as a token that never expires."""
    path = plan.get("service_account")
    if path:
        return service_account.Credentials.from_service_account_file(path, scopes=[CLOUD_PLATFORM])
    return oauth_credentials.Credentials(token=key)


def usage_of(metadata: Any) -> dict[str, Any]:
    """The counts of a usageMetadata of either kind, None where absent."""
    names = ("prompt_token_count", "candidates_token_count", "response_token_count", "total_token_count")
    return {name: getattr(metadata, name, None) for name in names}


def media(data: bytes) -> dict[str, Any]:
    """Length and digest of media bytes."""
    return {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def generate(client: genai.Client, model: str) -> dict[str, Any]:
    """One answer."""
    answer = client.models.generate_content(model=model, contents=PROMPT)
    reason = answer.candidates[0].finish_reason.value
    return {"text": answer.text, "finish_reason": reason, "usage": usage_of(answer.usage_metadata)}


def stream(client: genai.Client, model: str) -> dict[str, Any]:
    """One streamed answer, chunk by chunk."""
    chunks = list(client.models.generate_content_stream(model=model, contents=PROMPT))
    return {"texts": [chunk.text for chunk in chunks], "usage": usage_of(chunks[-1].usage_metadata)}


def count(client: genai.Client, model: str) -> dict[str, Any]:
    """A token count."""
    return {"total_tokens": client.models.count_tokens(model=model, contents=PROMPT).total_tokens}


def tools(client: genai.Client, model: str) -> dict[str, Any]:
    """A function call, its answer, and the text that follows."""
    declared = types.Tool(function_declarations=[types.FunctionDeclaration(**WEATHER)])
    config = types.GenerateContentConfig(tools=[declared])
    question = types.Content(role="user", parts=[types.Part(text="What is the weather in Paris?")])
    asked = client.models.generate_content(model=model, contents=[question], config=config)
    [call] = asked.function_calls
    result = types.Part.from_function_response(name=call.name, response={"output": "sunny"})
    history = [question, asked.candidates[0].content, types.Content(role="user", parts=[result])]
    told = client.models.generate_content(model=model, contents=history, config=config)
    return {"name": call.name, "args": dict(call.args), "text": told.text}


def video(client: genai.Client, model: str) -> dict[str, Any]:
    """A VEO operation, polled to its end; its video inline or downloaded."""
    config = types.GenerateVideosConfig(duration_seconds=8, number_of_videos=1)
    operation = client.models.generate_videos(model=model, prompt="A lighthouse at dusk", config=config)
    polls = 0
    while not operation.done and polls < 20:
        operation = client.operations.get(operation)
        polls += 1
    if operation.error:
        return {"polls": polls, "done": operation.done, "error": operation.error}
    delivered = operation.response.generated_videos or []
    data = [clip.video.video_bytes or client.files.download(file=clip.video) for clip in delivered]
    return {"polls": polls, "done": operation.done, "videos": [media(clip) for clip in data]}


async def live_text(client: genai.Client, model: str) -> dict[str, Any]:
    """A Live session with one text turn."""
    async with client.aio.live.connect(model=model, config={"response_modalities": ["TEXT"]}) as session:
        await session.send_client_content(turns={"role": "user", "parts": [{"text": PROMPT}]}, turn_complete=True)
        texts, usage = [], None
        async for message in session.receive():
            texts += [message.text] if message.text else []
            usage = message.usage_metadata or usage
    return {"texts": texts, "usage": usage_of(usage)}


async def live_audio(client: genai.Client, model: str) -> dict[str, Any]:
    """A Live session with one turn answered by audio."""
    async with client.aio.live.connect(model=model, config={"response_modalities": ["AUDIO"]}) as session:
        await session.send_client_content(turns={"role": "user", "parts": [{"text": PROMPT}]}, turn_complete=True)
        audio, mime_types, usage = b"", set(), None
        async for message in session.receive():
            content = message.server_content
            for part in (content.model_turn.parts or []) if content and content.model_turn else []:
                if part.inline_data:
                    audio += part.inline_data.data
                    mime_types.add(part.inline_data.mime_type)
            usage = message.usage_metadata or usage
    return {**media(audio), "mime_types": sorted(mime_types), "usage": usage_of(usage)}


async def live_tool(client: genai.Client, model: str) -> dict[str, Any]:
    """A Live session with a function call, its answer, and the text that follows."""
    config = {"response_modalities": ["TEXT"], "tools": [{"function_declarations": [WEATHER]}]}
    async with client.aio.live.connect(model=model, config=config) as session:
        turn = {"role": "user", "parts": [{"text": "What is the weather in Paris?"}]}
        await session.send_client_content(turns=turn, turn_complete=True)
        call = None
        async for message in session.receive():
            if message.tool_call:
                [call] = message.tool_call.function_calls
        assert call is not None, "the turn ended without a tool call"
        answer = types.FunctionResponse(id=call.id, name=call.name, response={"output": "sunny"})
        await session.send_tool_response(function_responses=[answer])
        texts = [message.text async for message in session.receive() if message.text]
    return {"name": call.name, "args": dict(call.args), "texts": texts}


STEPS = {
    "generate": generate,
    "stream": stream,
    "count": count,
    "tools": tools,
    "video": video,
    "quota": generate,
    "refused": generate,
    "live-refused": live_text,
    "live-text": live_text,
    "live-audio": live_audio,
    "live-tool": live_tool,
}


def error_of(error: errors.APIError) -> dict[str, Any]:
    """What a user sees of a refusal, with the delay of its RetryInfo if there is one."""
    body = error.details if isinstance(error.details, dict) else {}
    entries = body.get("error", body).get("details", []) if isinstance(body.get("error", body), dict) else []
    delays = [entry["retryDelay"] for entry in entries if entry.get("@type", "").endswith("RetryInfo")]
    return {
        "type": type(error).__name__,
        "code": error.code,
        "status": error.status,
        "message": error.message if error.message else str(error.details),
        "retry_delay": delays[0] if delays else None,
    }


def played(plan: dict[str, Any], step: dict[str, Any]) -> dict[str, Any]:
    """The outcome of one step. The client is kept in a variable: google-genai closes it when it is collected."""
    client = client_of(plan, step)
    result = {"step": step["name"], "scope": step["scope"]}
    play = STEPS[step["name"]]
    try:
        values = play(client, step["model"])
        if asyncio.iscoroutine(values):
            values = asyncio.run(values)
    except errors.APIError as error:
        return {**result, "ok": False, "error": error_of(error)}
    except Exception as error:
        return {**result, "ok": False, "error": {"type": type(error).__name__, "message": repr(error)[:500]}}
    return {**result, "ok": True, "values": values}


def main() -> None:
    """Play the plan on standard input, step after step."""
    plan = json.load(sys.stdin)
    for step in plan["steps"]:
        print(json.dumps(played(plan, step)), flush=True)


if __name__ == "__main__":
    main()
