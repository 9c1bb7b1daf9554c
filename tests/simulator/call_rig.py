"""Uploads and other calls without a socket: a Desk whose calls carry header fields, and bodies that come in pieces."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from resource_rig import Desk

from understudy.messages import Request
from understudy.scenario.json_subset import LazyJson
from understudy_simulator.call import Call, Json, Upload
from understudy_simulator.google_errors import GoogleError
from understudy_simulator.replies import Outgoing
from understudy_simulator.routing import Route
from understudy_simulator.spool import Spool
from understudy_simulator.store import Resource
from understudy_simulator.surfaces import file_search, files

START = {"X-Goog-Upload-Protocol": "resumable", "X-Goog-Upload-Command": "start"}


@dataclass(frozen=True)
class Heard:
    """What an upload request was answered with."""

    status: int
    headers: dict[str, str]
    value: Any

    @property
    def upload(self) -> str:
        """The status of the upload."""
        return self.headers.get("x-goog-upload-status", "")

    @property
    def received(self) -> int:
        """The bytes that are there, by a query."""
        return int(self.headers["x-goog-upload-size-received"])

    @property
    def error(self) -> tuple[int, str]:
        return self.status, self.value["error"]["message"]


class NothingMade:
    """A service that makes no files itself."""

    def files(self, call: Call) -> tuple[Resource, ...]:
        return ()

    def delete(self, call: Call) -> bool:
        return False


class UploadDesk(Desk):
    """A Desk with the routes of files and stores, whose uploads go to a spool in a folder of the test."""

    def __init__(self, folder: Path, *families: Iterable[Route]) -> None:
        self.spool = Spool(folder)
        own = (files.routes(self.spool, NothingMade()), file_search.ROUTES, file_search.upload_routes(self.spool))
        super().__init__(*own, *families)

    async def send(
        self, target: str, headers: dict[str, str], *pieces: bytes, scope: str = "", breaks: bool = False
    ) -> Heard:
        """One request of an upload; with `breaks` the client leaves after these pieces (ConnectionError)."""
        route, call = self.call("POST", target, None, scope)
        fields = tuple((name.encode(), value.encode()) for name, value in headers.items())
        call = replace(call, request=Request("POST", target, fields, b""), body=LazyJson(b""))
        assert route.upload is not None
        return heard(await route.upload(Upload(call, coming(pieces, breaks=breaks))))

    async def start(self, target: str = "/upload/v1beta/files", metadata: Any = None, scope: str = "", **more) -> str:
        """Begin a resumable upload; gives the target of its further requests."""
        headers = START | {name.replace("_", "-"): str(value) for name, value in more.items()}
        body = (json.dumps(metadata).encode(),) if metadata is not None else ()
        answer = await self.send(target, headers, *body, scope=scope)
        assert (answer.status, answer.upload) == (200, "active"), answer
        return answer.headers["x-goog-upload-url"].removeprefix("http://sim.test")

    async def data(self, place: str, command: str, offset: int | None, *pieces: bytes, **how) -> Heard:
        """A data request, or one of the others (`query`, `cancel`, `finalize`)."""
        headers = {"X-Goog-Upload-Command": command}
        if offset is not None:
            headers["X-Goog-Upload-Offset"] = str(offset)
        return await self.send(place, headers, *pieces, **how)


async def coming(pieces: Sequence[bytes], *, breaks: bool = False) -> AsyncIterator[bytes]:
    """Pieces of a body, each in a turn of its own; at the end the client leaves or the body is whole."""
    for piece in pieces:
        await asyncio.sleep(0)
        yield piece
    if breaks:
        raise ConnectionError("left")


def heard(answer: object) -> Heard:
    match answer:
        case Outgoing():
            assert answer.parts == ()
            return Heard(answer.status, _fields(answer.headers), None)
        case Json():
            return Heard(answer.status, _fields(answer.headers), json.loads(json.dumps(answer.value)))
        case GoogleError():
            return Heard(answer.status, _fields(answer.headers), answer.value)
        case _:
            raise AssertionError(answer)


def _fields(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    return {name.decode().lower(): value.decode() for name, value in headers}
