"""Videos made with Google's official Python client; a program of its own.

It runs in the interpreter of a client environment, where google-genai is installed and Understudy is not.

    in    {"base_url": "http://...", "calls": [{"scope", "service": "gemini" | "vertex", "model", "mode", "config"}]}
    out   a line for each call, sync and async: {"scope", "async", "polls", "films": [base64], "uris", "filtered",
          "reasons", "error", "raised"}

A call of mode "extension" goes on where the video of the call before it, of the same client, ends.
"""

import asyncio
import json
import sys
from base64 import b64encode
from typing import Any

from google import genai  # pyright: ignore[reportAttributeAccessIssue]
from google.genai import errors, types  # pyright: ignore[reportMissingImports]
from google.oauth2 import credentials

MOST_POLLS = 10
PNG = b"\x89PNG\r\n\x1a\n"


def client_of(base_url: str, call: dict[str, Any]) -> genai.Client:
    """A client as a user would make it, with the call's scope as its one extra header."""
    options = {"base_url": base_url, "headers": {"x-understudy-scope": call["scope"]}}
    if call["service"] == "gemini":
        return genai.Client(api_key="AIza-a-key", vertexai=False, http_options=options)
    token = credentials.Credentials(token="ya29.a-token")
    return genai.Client(vertexai=True, project="P", location="us-central1", credentials=token, http_options=options)


def asked(call: dict[str, Any], earlier: Any) -> dict[str, Any]:
    """The arguments of generate_videos for the call's mode."""
    image = types.Image(image_bytes=PNG, mime_type="image/png")
    config = dict(call["config"])
    arguments: dict[str, Any] = {"model": call["model"], "prompt": "A lighthouse at dusk"}
    match call["mode"]:
        case "image":
            arguments["image"] = image
        case "frames":
            arguments["image"], config["last_frame"] = image, image
        case "references":
            kind = types.VideoGenerationReferenceType.ASSET
            one = types.VideoGenerationReferenceImage(image=image, reference_type=kind)
            config["reference_images"] = [one] * 3
        case "extension":
            arguments["video"] = earlier
    return arguments | {"config": types.GenerateVideosConfig(**config)}


def told(call: dict[str, Any], is_async: bool, operation: Any, polls: int, films: list[bytes]) -> dict[str, Any]:
    """What one call came to."""
    answer = operation.response
    videos = (answer.generated_videos or []) if answer else []
    return {
        "scope": call["scope"],
        "async": is_async,
        "polls": polls,
        "films": [b64encode(film).decode() for film in films],
        "uris": [video.video.uri for video in videos],
        "filtered": answer and answer.rai_media_filtered_count,
        "reasons": answer and answer.rai_media_filtered_reasons,
        "error": operation.error,
        "raised": None,
    }


def refused(call: dict[str, Any], is_async: bool, error: errors.APIError) -> dict[str, Any]:
    """What a call that was refused came to."""
    return {"scope": call["scope"], "async": is_async, "raised": [error.code, error.message]}


def sync_call(client: genai.Client, call: dict[str, Any], earlier: Any) -> tuple[dict[str, Any], Any]:
    """A video, polled to its end and downloaded."""
    operation, polls = client.models.generate_videos(**asked(call, earlier)), 0
    while not operation.done and polls < MOST_POLLS:
        operation, polls = client.operations.get(operation), polls + 1
    videos = [each.video for each in (operation.response and operation.response.generated_videos) or []]
    latest = videos[0].model_copy() if videos else None
    films = [
        v.video_bytes or client.files.download(file=v) for v in videos if v.video_bytes or call["service"] == "gemini"
    ]
    return told(call, False, operation, polls, films), latest


async def async_call(client: genai.Client, call: dict[str, Any], earlier: Any) -> tuple[dict[str, Any], Any]:
    """The same with the asynchronous client."""
    operation, polls = await client.aio.models.generate_videos(**asked(call, earlier)), 0
    while not operation.done and polls < MOST_POLLS:
        operation, polls = await client.aio.operations.get(operation), polls + 1
    videos = [each.video for each in (operation.response and operation.response.generated_videos) or []]
    latest = videos[0].model_copy() if videos else None
    films: list[bytes] = []
    for video in videos:
        if video.video_bytes:
            films.append(video.video_bytes)
        elif call["service"] == "gemini":
            films.append(await client.aio.files.download(file=video))
    return told(call, True, operation, polls, films), latest


async def main() -> None:
    """Read the plan, play it, tell."""
    plan = json.loads(sys.stdin.read())
    earlier: list[Any] = [None, None]
    for call in plan["calls"]:
        for is_async in (False, True):
            client = client_of(plan["base_url"], call)
            try:
                if is_async:
                    line, earlier[1] = await async_call(client, call, earlier[1])
                else:
                    line, earlier[0] = sync_call(client, call, earlier[0])
            except errors.APIError as error:
                line = refused(call, is_async, error)
            print(json.dumps(line))


if __name__ == "__main__":
    asyncio.run(main())
