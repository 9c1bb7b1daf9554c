"""Uploads and downloads with Google's official Python client; a program of its own, see test_google_genai_uploads.

in    arguments: base URL, gateway key, a file to upload
out   one JSON object: what the upload gave, where its bytes went, the video by the SDK and by its link
"""

import hashlib
import json
import sys
from typing import Any

import httpx  # pyright: ignore[reportMissingImports]
from google import genai  # pyright: ignore[reportAttributeAccessIssue]
from google.genai import types  # pyright: ignore[reportMissingImports]

MOST_POLLS = 10
MODEL = "veo-3.1-generate-preview"


def main() -> None:
    """Upload, make a video, download it in both ways."""
    url, key, path = sys.argv[1:]
    sent: list[str] = []
    whole = httpx.Client.send

    def noted(client: httpx.Client, request: httpx.Request, **more: Any) -> httpx.Response:
        shows = "key" if request.headers.get("x-goog-api-key") else "no key"
        sent.append(f"{request.url.scheme}://{request.url.netloc.decode()} {request.method} {shows}")
        return whole(client, request, **more)

    httpx.Client.send = noted  # pyright: ignore[reportAttributeAccessIssue]
    client = genai.Client(api_key=key, vertexai=False, http_options={"base_url": url, "api_version": "v1beta"})
    file = client.files.upload(file=path, config={"mime_type": "application/octet-stream"})
    uploads, sent[:] = list(sent), []
    again = client.files.get(name=file.name or "")
    operation = client.models.generate_videos(model=MODEL, prompt="A lighthouse", config=types.GenerateVideosConfig())
    for _ in range(MOST_POLLS):
        operation = operation if operation.done else client.operations.get(operation)
    video = operation.response.generated_videos[0].video
    by_sdk = client.files.download(file=video)
    with httpx.Client() as plain:
        by_link = plain.get(video.uri, headers={"x-goog-api-key": key}) if video.uri.startswith(url) else None
        keyless = plain.get(video.uri) if video.uri.startswith(url) else None
    told = {
        "size": file.size_bytes,
        "sha256": file.sha256_hash,
        "file_uri": again.uri,
        "uploads": uploads,
        "link": video.uri,
        "by_sdk": hashlib.sha256(by_sdk).hexdigest(),
        "by_link": by_link and [by_link.status_code, hashlib.sha256(by_link.content).hexdigest()],
        "keyless": keyless and keyless.status_code,
    }
    print(json.dumps({**told, "film_bytes": len(by_sdk)}))


if __name__ == "__main__":
    main()
