"""VEO over sockets: start, poll, download, in the words of either service."""

import io
from base64 import b64decode
from typing import Any
from urllib.parse import quote, urlsplit

import av
from simulator_rig import BEARER, KEY, ask

GEMINI = "/v1beta/models/veo-3.1-generate-preview"
VERTEX = "/v1/projects/p/locations/l/publishers/google/models/veo-3.1-generate-001"


class Videos:
    """A client of one service at one simulator."""

    def __init__(self, url: str, *, vertex: bool = False, model: str = "") -> None:
        self.url = url
        self.vertex = vertex
        self.base = (VERTEX if vertex else GEMINI).rpartition("/")[0] + "/" + model if model else ""
        self.base = self.base or (VERTEX if vertex else GEMINI)

    async def asked(self, body: Any = None, **parameters: Any):
        """The answer to a start."""
        body = body if body is not None else {"prompt": "x"}
        value = {"instances": [body]} | ({"parameters": parameters} if parameters else {})
        credentials = BEARER if self.vertex else KEY
        return await ask(self.url, "POST", f"{self.base}:predictLongRunning", credentials, body=value)

    async def started(self, body: Any = None, **parameters: Any) -> str:
        """The name of a new operation."""
        answer = await self.asked(body, **parameters)
        assert answer.status == 200, answer.body
        return answer.json["name"]

    async def poll(self, name: str):
        """The answer to one poll."""
        if self.vertex:
            body = {"operationName": name}
            return await ask(self.url, "POST", f"{self.base}:fetchPredictOperation", BEARER, body=body)
        return await ask(self.url, "GET", f"/v1beta/{name}", KEY)

    async def finished(self, body: Any = None, *, polls: int = 2, **parameters: Any) -> dict[str, Any]:
        """The operation as its last poll shows it."""
        name = await self.started(body, **parameters)
        for _ in range(polls):
            answer = (await self.poll(name)).json
        assert answer["done"]
        return answer

    async def films(self, operation: dict[str, Any]) -> list[bytes]:
        """The bytes of all videos of a finished operation."""
        if self.vertex:
            return [await self._film(video) for video in operation["response"]["videos"]]
        samples = operation["response"]["generateVideoResponse"]["generatedSamples"]
        return [await self.downloaded(sample["video"]["uri"]) for sample in samples]

    async def downloaded(self, uri: str) -> bytes:
        place = urlsplit(uri)
        answer = await ask(self.url, "GET", f"{place.path}?{place.query}", KEY)
        assert answer.status == 200, answer.body
        return answer.body

    async def _film(self, video: dict[str, str]) -> bytes:
        assert video["mimeType"] == "video/mp4"
        if "gcsUri" in video:
            return (await self.stored(video["gcsUri"])).body
        return b64decode(video["bytesBase64Encoded"])

    async def stored(self, uri: str, *headers: tuple[str, str]):
        """An object of Cloud Storage, asked for without credentials."""
        bucket, _, name = uri.removeprefix("gs://").partition("/")
        target = f"/download/storage/v1/b/{bucket}/o/{quote(name, safe='')}?alt=media"
        return await ask(self.url, "GET", target, *headers)


def shape(film: bytes) -> tuple[tuple[int, int], float, bool]:
    """Size, seconds and sound of a film, as PyAV reads them."""
    container: Any = av.open(io.BytesIO(film))
    with container:
        [picture] = container.streams.video
        return (picture.width, picture.height), container.duration / 1_000_000, bool(container.streams.audio)
