"""Uploads to environments, on the spool: the resumable protocol in that family's words, archives, what is left."""

import io
import tarfile
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest
from snake_rig import World

from understudy.messages import Request
from understudy_simulator.call import Answer, Call, Json, Media, Upload
from understudy_simulator.replies import Outgoing
from understudy_simulator.spool import Spool, discard
from understudy_simulator.surfaces import environments
from understudy_simulator.uploads import GRANULARITY


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path)


@pytest.fixture(params=["gemini", "vertex", "express"])
def world(request: pytest.FixtureRequest, spool: Spool) -> World:
    return World((*environments.ROUTES, *environments.upload_routes(spool)), request.param)


@pytest.fixture
def gemini(spool: Spool) -> World:
    return World((*environments.ROUTES, *environments.upload_routes(spool)))


def on_disk(spool: Spool) -> int:
    """How many files the spool has."""
    return 0 if spool.folder is None else len(list(spool.folder.iterdir()))


def bytes_at(world: World, path: str) -> bytes:
    """What a download of a file gives; it is on the disk."""
    media = world.answer("GET", f"{path}?alt=media")
    assert isinstance(media, Media)
    assert isinstance(media.source, Path)
    return media.source.read_bytes()


async def nothing() -> AsyncGenerator[bytes, None]:
    """An empty body."""
    for piece in ():
        yield piece


def with_headers(call: Call, **headers: str) -> Call:
    """The call with header fields."""
    named = tuple((name.replace("_", "-").encode(), value.encode()) for name, value in headers.items())
    request = call.request
    return replace(call, request=Request(request.method, request.target, named, request.body))


STARTING = {
    "X_Goog_Upload_Protocol": "resumable",
    "X_Goog_Upload_Command": "start",
    "X_Goog_Upload_Header_Content_Length": "3",
    "X_Goog_Upload_Header_Content_Type": "text/plain",
}


async def begun(world: World, path: str, **headers: str) -> Answer:
    """The answer to the start of an upload."""
    call = with_headers(world.call("PUT", path), **(STARTING | headers))
    matched = world.router.find("PUT", call.request.path)
    assert matched is not None and matched.route.upload is not None
    async with aclosing(nothing()) as body:
        return await matched.route.upload(Upload(call, body))


class Uploading:
    """A client of the upload protocol, on handlers."""

    def __init__(self, world: World, path: str, started: Answer) -> None:
        self.world = world
        self.path = path
        self.started = started

    @classmethod
    async def of(cls, world: World, path: str, size: int, query: str = "") -> "Uploading":
        started = await begun(world, path + query, X_Goog_Upload_Header_Content_Length=str(size))
        return cls(world, path, started)

    @property
    def url(self) -> str:
        assert isinstance(self.started, Outgoing)
        return dict(self.started.headers)[b"X-Goog-Upload-URL"].decode()

    async def send(self, command: str, data: bytes = b"", offset: int = 0) -> Answer:
        call = with_headers(
            self.world.call("POST", self.url.removeprefix("http://sim")),
            X_Goog_Upload_Command=command,
            X_Goog_Upload_Offset=str(offset),
        )
        matched = self.world.router.find("POST", call.request.path)
        assert matched is not None and matched.route.upload is not None

        async def pieces() -> AsyncGenerator[bytes, None]:
            yield data[:2]
            yield data[2:]

        async with aclosing(pieces()) as body:
            return await matched.route.upload(Upload(call, body))


def status_of(answer: Answer) -> tuple[str, str | None]:
    assert isinstance(answer, Outgoing)
    headers = dict(answer.headers)
    size = headers.get(b"X-Goog-Upload-Size-Received")
    return headers[b"X-Goog-Upload-Status"].decode(), None if size is None else size.decode()


UPLOADS = {
    "gemini": "/upload/v1beta/environments/{}/files/d/f.txt",
    # google-genai leaves project and location out.
    "vertex": "/upload/v1beta1/environments/{}/files/d/f.txt",
    "express": "/upload/v1beta1/environments/{}/files/d/f.txt",
}


async def test_a_file_is_uploaded_in_pieces(world: World, spool: Spool) -> None:
    made = world.ask("POST", "environments", {})
    size = GRANULARITY + 5
    upload = await Uploading.of(world, UPLOADS[world.mode].format(made["id"]), size)

    assert status_of(upload.started) == ("active", None)
    assert upload.url.startswith(f"http://sim{upload.path}?upload_id=")
    assert upload.url.endswith("&upload_protocol=resumable")
    assert status_of(await upload.send("upload", b"0" * GRANULARITY)) == ("active", None)
    assert status_of(await upload.send("query")) == ("active", str(GRANULARITY))
    for wrong in (await upload.send("upload", b"01234", 1), await upload.send("finalize")):
        assert isinstance(wrong, Json)
        assert (wrong.status, wrong.value["error"]["code"]) == (400, "invalid_request")
    done = await upload.send("upload, finalize", b"56789", GRANULARITY)
    assert isinstance(done, Json)
    assert (b"X-Goog-Upload-Status", b"final") in done.headers
    (file,) = done.value["files"]
    assert (file["path"], file["size_bytes"], file["mime_type"]) == ("d/f.txt", size, "text/plain")
    assert bytes_at(world, f"environments/{made['id']}/files/d/f.txt") == b"0" * GRANULARITY + b"56789"
    shown = world.ask("GET", f"environments/{made['id']}")
    assert (shown["file_count"], shown["size_bytes"]) == (1, size)
    assert status_of(await upload.send("query")) == ("final", str(size))
    assert on_disk(spool) == 1


async def test_what_was_uploaded_goes_with_its_environment(gemini: World, spool: Spool) -> None:
    made = gemini.ask("POST", "environments", {})
    path = UPLOADS["gemini"].format(made["id"])
    await (await Uploading.of(gemini, path, 3)).send("upload, finalize", b"012")
    copy = gemini.ask("POST", "environments", {"from_environment": made["id"]})

    gemini.ask("DELETE", f"environments/{made['id']}")

    assert bytes_at(gemini, f"environments/{copy['id']}/files/d/f.txt") == b"012"
    for resource in gemini.store.forget(None):
        discard(resource.hidden)
    assert on_disk(spool) == 0


async def test_an_archive_that_breaks_or_holds_too_much_is_refused(gemini: World, spool: Spool) -> None:
    made = gemini.ask("POST", "environments", {})
    path = UPLOADS["gemini"].format(made["id"]).removesuffix("/f.txt")
    data = archive_of({f"{number}": b"" for number in range(10_001)})
    noise = b"".join(sha256(str(number).encode()).digest() for number in range(8000))
    broken = archive_of({"a.txt": noise})
    half = len(broken) // 2
    broken = broken[:half] + b"\xff" * half
    for bad in (data, broken, archive_of({"../../x": b"1"})):
        answer = await (await Uploading.of(gemini, path, len(bad), "?extract=true")).send("upload, finalize", bad)
        assert isinstance(answer, Json)
        assert answer.status == 400
        assert "tar archive" in answer.value["error"]["message"]
    assert gemini.ask("GET", f"environments/{made['id']}")["file_count"] == 0


def archive_of(files: dict[str, bytes]) -> bytes:
    """A gzipped tar archive."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return packed.getvalue()


async def test_a_file_is_not_overwritten_by_chance(gemini: World) -> None:
    source = {"type": "inline", "content": "1", "target": "d/f.txt"}
    made = gemini.ask("POST", "environments", {"sources": [source]})
    path = UPLOADS["gemini"].format(made["id"])

    refused = (await Uploading.of(gemini, path, 2)).started
    assert isinstance(refused, Json)
    assert refused.status == 409
    again = await (await Uploading.of(gemini, path, 2, "?overwrite=true")).send("upload, finalize", b"23")
    assert isinstance(again, Json)
    assert again.value["files"][0]["size_bytes"] == 2


async def test_an_archive_is_unpacked(gemini: World) -> None:
    made = gemini.ask("POST", "environments", {})
    path = UPLOADS["gemini"].format(made["id"]).removesuffix("/f.txt")
    data = archive_of({"a.txt": b"one", "in/b.py": b"two2"})

    done = await (await Uploading.of(gemini, path, len(data), "?extract=true")).send("upload, finalize", data)

    assert isinstance(done, Json)
    assert [file["path"] for file in done.value["files"]] == ["d/a.txt", "d/in/b.py"]
    bad = await (await Uploading.of(gemini, path, 3, "?extract=true")).send("upload, finalize", b"abc")
    assert isinstance(bad, Json)
    assert bad.status == 400


async def refused_start(world: World, path: str, **headers: str) -> str:
    """The message with which the start of an upload is refused."""
    answer = await begun(world, path, **headers)
    assert isinstance(answer, Json)
    return answer.value["error"]["message"]


async def test_uploads_that_go_wrong_are_refused(gemini: World) -> None:
    made = gemini.ask("POST", "environments", {})
    path = UPLOADS["gemini"].format(made["id"])

    assert "start" in await refused_start(gemini, path, X_Goog_Upload_Command="upload")
    assert "start" in await refused_start(gemini, path, X_Goog_Upload_Protocol="raw")
    assert "Content-Length" in await refused_start(gemini, path, X_Goog_Upload_Header_Content_Length="many")
    assert "has more than 2147483648 bytes" in await refused_start(
        gemini, path, X_Goog_Upload_Header_Content_Length=str(2**40)
    )
    assert "not found" in await refused_start(gemini, UPLOADS["gemini"].format("none"))
    upload = await Uploading.of(gemini, path, 3)
    for sent, text in (
        (await upload.send("upload, finalize", b"0123"), "more than 3 bytes"),
        (await upload.send("dance"), "X-Goog-Upload-Command"),
    ):
        assert isinstance(sent, Json)
        assert text in sent.value["error"]["message"]
    gemini.ask("DELETE", f"environments/{made['id']}")
    late = await upload.send("upload, finalize", b"012")
    assert isinstance(late, Json)
    assert (late.status, gemini.store.shelf("").below("environments")) == (404, ())


async def test_an_upload_can_be_cancelled(gemini: World) -> None:
    made = gemini.ask("POST", "environments", {})
    upload = await Uploading.of(gemini, UPLOADS["gemini"].format(made["id"]), 4)

    assert status_of(await upload.send("cancel")) == ("cancelled", None)
    after = await upload.send("upload, finalize", b"1234")
    assert isinstance(after, Json)
    assert after.value["error"]["code"] == "failed_precondition"
