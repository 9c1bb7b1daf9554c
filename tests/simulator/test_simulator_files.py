"""The Files API: resources, lists, downloads; all of it over sockets at the end."""

import asyncio
import hashlib
import struct
from base64 import b64encode
from fractions import Fraction
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from call_rig import UploadDesk
from hypothesis import given
from hypothesis import strategies as st
from simulator_rig import KEY, ask, simulator, until

from understudy_simulator.clock import ManualClock
from understudy_simulator.film_length import film_seconds
from understudy_simulator.films.film import Film
from understudy_simulator.films.making import film_file
from understudy_simulator.kept_bytes import KeptBytes
from understudy_simulator.replies import Media
from understudy_simulator.store import Resource
from understudy_simulator.uploads import GRANULARITY

FILES = "/v1beta/files"
RAW = {"X-Goog-Upload-Protocol": "raw", "Content-Type": "text/plain"}


@pytest.fixture
def desk(tmp_path: Path) -> UploadDesk:
    return UploadDesk(tmp_path)


async def uploaded(desk: UploadDesk, data: bytes = b"hello", metadata=None, mime: str = "text/plain", scope: str = ""):
    place = await desk.start(metadata=metadata, X_Goog_Upload_Header_Content_Type=mime, scope=scope)
    return await desk.data(place, "upload, finalize", 0, data, scope=scope)


async def test_a_file_has_all_that_google_shows(desk: UploadDesk):
    file = (await uploaded(desk, metadata={"file": {"display_name": "T", "mime_type": "text/markdown"}})).value["file"]
    name = file["name"]
    assert file == {
        "name": name,
        "displayName": "T",
        "mimeType": "text/markdown",
        "sizeBytes": "5",
        "createTime": "2026-05-01T12:00:00.000000Z",
        "updateTime": "2026-05-01T12:00:00.000000Z",
        "expirationTime": "2026-05-03T12:00:00.000000Z",
        "sha256Hash": b64encode(hashlib.sha256(b"hello").hexdigest().encode()).decode(),
        "uri": f"https://generativelanguage.googleapis.com/v1beta/{name}",
        "state": "ACTIVE",
        "source": "UPLOADED",
    }
    assert desk.ask("GET", f"/v1/{name}", fits="File") == file
    desk.wait(hours=48)
    assert desk.refused("GET", f"/v1/{name}")[:2] == (403, "PERMISSION_DENIED")


async def test_a_client_may_choose_the_name(desk: UploadDesk):
    assert (await uploaded(desk, metadata={"file": {"name": "files/my-id"}})).value["file"]["name"] == "files/my-id"
    assert desk.ask("GET", f"{FILES}/my-id")["name"] == "files/my-id"
    again = await uploaded(desk, metadata={"file": {"name": "files/my-id"}})
    assert (again.status, again.upload) == (409, "final")
    for name in ("files/My_Id", "files/-a", "files/" + "a" * 41, "files/a/b"):
        wrong = await uploaded(desk, metadata={"file": {"name": name}})
        assert (wrong.status, wrong.upload) == (400, "final"), name
    assert (await uploaded(desk, metadata={"file": {"displayName": "x" * 513}})).status == 400


async def test_a_film_is_processed_first(desk: UploadDesk):
    file = (await uploaded(desk, film_file(Film(seconds=Fraction(13, 2))), mime="video/mp4")).value["file"]
    assert file["state"] == "PROCESSING"
    states = [desk.ask("GET", f"/v1/{file['name']}", fits="File")["state"] for _ in range(3)]
    assert states == ["PROCESSING", "ACTIVE", "ACTIVE"]
    seconds = desk.ask("GET", f"/v1/{file['name']}")["videoMetadata"]["videoDuration"]
    assert seconds == "6.500s"
    broken = (await uploaded(desk, b"no film", mime="video/mp4")).value["file"]
    assert "videoMetadata" not in broken


async def test_files_are_listed_in_pages_and_deleted(desk: UploadDesk):
    names = {(await uploaded(desk)).value["file"]["name"] for _ in range(12)}
    page = desk.ask("GET", FILES, fits="ListFilesResponse")
    assert len(page["files"]) == 10
    rest = desk.ask("GET", f"{FILES}?pageToken={page['nextPageToken']}")
    assert {file["name"] for file in [*page["files"], *rest["files"]]} == names
    assert "nextPageToken" not in rest
    assert desk.refused("GET", f"{FILES}?pageSize=many")[0] == 400
    name = names.pop()
    assert desk.ask("DELETE", f"/v1/{name}") == {}
    file_id = name.removeprefix("files/")
    message = f"You do not have permission to access the File {file_id} or it may not exist."
    assert desk.refused("GET", f"/v1/{name}") == (403, "PERMISSION_DENIED", message)
    assert desk.refused("DELETE", f"/v1/{name}")[0] == 403
    assert desk.ask("GET", FILES, scope="other") == {}


async def test_uploads_are_not_given_back_and_results_are(desk: UploadDesk):
    name = (await uploaded(desk)).value["file"]["name"]
    assert desk.refused("GET", f"/v1/{name}:download?alt=media")[0] == 400
    assert desk.refused("GET", f"{FILES}/none:download?alt=media")[0] == 403
    value = {"name": "files/batch-1", "mimeType": "application/jsonl", "source": "GENERATED"}
    desk.store.shelf("").put(Resource("files/batch-1", value, desk.now, hidden=KeptBytes(b"{}\n")))
    media = Media(b"{}\n", "application/jsonl", 3)
    assert desk.answer("GET", f"{FILES}/batch-1:download?alt=media") == media
    broken = "/v1/files/http://127.0.0.1:8899/v1beta/files/batch-1:download?alt=media:download?alt=media"
    assert desk.answer("GET", broken) == media


def test_a_file_can_be_described_alone_and_registered(desk: UploadDesk):
    made = desk.ask("POST", FILES, {"file": {"displayName": "D", "mimeType": "text/plain"}}, fits="CreateFileResponse")
    assert desk.ask("GET", f"/v1/{made['file']['name']}") == made["file"]
    assert desk.refused("POST", FILES, {"file": {"colour": 1}})[0] == 400
    body = {"uris": ["gs://b/o", "gs://b/p"]}
    files = desk.ask("POST", f"{FILES}:register", body, fits="RegisterFilesResponse")["files"]
    assert [file["source"] for file in files] == ["REGISTERED", "REGISTERED"]
    assert len({file["name"] for file in files}) == 2
    assert desk.ask("GET", f"/v1/{files[1]['name']}") == files[1]
    assert desk.refused("POST", f"{FILES}:register", {"uris": ["https://b/o"]})[0] == 400
    assert desk.refused("POST", f"{FILES}:register", {})[0] == 400


@given(st.binary(max_size=80), st.booleans(), st.integers(0, 2**31), st.integers(1, 90_000))
def test_the_length_of_a_film_is_found_wherever_its_header_is(before: bytes, is_long: bool, length: int, scale: int):
    def box(kind: bytes, content: bytes, *, is_large: bool = False) -> bytes:
        if is_large:
            return struct.pack(">I4sQ", 1, kind, len(content) + 16) + content
        return struct.pack(">I4s", len(content) + 8, kind) + content

    times = struct.pack(">I16xIQ", 1 << 24, scale, length) if is_long else struct.pack(">12xII", scale, length)
    film = box(b"mdat", before, is_large=is_long) + box(b"moov", box(b"free", b"") + box(b"mvhd", times))
    assert film_seconds(lambda at, count: film[at : at + count], len(film)) == length / scale
    for cut in range(len(film)):
        found = film_seconds(lambda at, count, whole=film[:cut]: whole[at : at + count], cut)
        assert found is None or cut > len(film) - 8


@given(st.binary(max_size=200))
def test_any_bytes_have_a_length_or_none(data: bytes):
    found = film_seconds(lambda at, count: data[at : at + count], len(data))
    assert found is None or found >= 0


# ---- over sockets


def scoped(headers: dict[str, str]) -> list[tuple[str, str]]:
    return list(headers.items())


async def test_an_upload_needs_a_key_only_to_begin():
    start = {"X-Goog-Upload-Protocol": "resumable", "X-Goog-Upload-Command": "start"}
    async with simulator(clock=ManualClock()) as running:
        url = running.http_url
        refused = await ask(url, "POST", "/upload/v1beta/files", *scoped(start), body={"file": {}})
        assert refused.status == 403
        begun = await ask(url, "POST", "/~mine/upload/v1beta/files", KEY, *scoped(start), body={"file": {}})
        place = urlsplit(begun.values("x-goog-upload-url")[0])
        assert f"{place.scheme}://{place.netloc}" == url
        assert place.path == "/~mine/upload/v1beta/files"
        target = f"{place.path}?{place.query}"
        data = b"\3" * GRANULARITY
        command = ("X-Goog-Upload-Command", "upload")
        zero = ("X-Goog-Upload-Offset", "0")
        first = await ask(url, "POST", target, command, zero, ("Content-Type", "application/json"), body=data)
        assert (first.status, first.values("x-goog-upload-status"), first.body) == (200, ["active"], b"")
        end = ("X-Goog-Upload-Command", "upload, finalize")
        last = await ask(url, "POST", target, end, ("X-Goog-Upload-Offset", str(len(data))), body=b"end")
        assert (last.status, last.values("x-goog-upload-status")) == (200, ["final"])
        file = last.json["file"]
        assert file["sizeBytes"] == str(len(data) + 3)
        assert (await ask(url, "GET", f"/~mine/v1beta/{file['name']}", KEY)).json == file
        assert (await ask(url, "GET", FILES, KEY)).json == {}
        folder = running.stage.spool.folder
        assert folder is not None
        assert len(list(folder.iterdir())) == 1
        assert (await ask(running.admin_url, "POST", "/__understudy__/v1/reset", body={"scope": "mine"})).status == 200
        assert list(folder.iterdir()) == []
        assert (await ask(url, "GET", f"/~mine/v1beta/{file['name']}", KEY)).status == 403
    assert not folder.exists()


async def test_an_expired_file_is_gone_from_the_disk_with_the_next_request():
    clock = ManualClock()
    async with simulator(clock=clock) as running:
        url, data = running.http_url, b"x" * 1000
        raw = ("X-Goog-Upload-Protocol", "raw")
        made = await ask(url, "POST", "/~mine/upload/v1beta/files", KEY, raw, body=data)
        assert made.json["file"]["sizeBytes"] == "1000"
        folder = running.stage.spool.folder
        assert folder is not None
        clock.advance(48 * 3600 - 1)
        assert (await ask(url, "GET", "/v1beta/models", KEY)).status == 200
        assert len(list(folder.iterdir())) == 1
        clock.advance(1)
        assert (await ask(url, "GET", "/v1beta/models", KEY)).status == 200
        assert list(folder.iterdir()) == []


async def test_a_data_request_without_the_scope_ends_up_in_it():
    start = {"X-Goog-Upload-Protocol": "resumable", "X-Goog-Upload-Command": "start", "x-understudy-scope": "mine"}
    async with simulator(clock=ManualClock()) as running:
        url = running.http_url
        begun = await ask(url, "POST", "/upload/v1beta/files", KEY, *scoped(start))
        place = urlsplit(begun.values("x-goog-upload-url")[0])
        fields = scoped({"X-Goog-Upload-Command": "upload, finalize", "X-Goog-Upload-Offset": "0"})
        done = await ask(url, "POST", f"{place.path}?{place.query}", *fields, body=b"abc")
        name = done.json["file"]["name"]
        listed = await ask(url, "GET", FILES, KEY, ("x-understudy-scope", "mine"))
        assert [file["name"] for file in listed.json["files"]] == [name]
        assert (await ask(url, "GET", FILES, KEY)).json == {}


async def test_downloads_heed_range():
    async with simulator(clock=ManualClock()) as running:
        url, shelf = running.http_url, running.stage.store.shelf("")
        value = {"name": "files/out", "mimeType": "application/jsonl", "source": "GENERATED"}
        shelf.put(Resource("files/out", value, running.stage.clock.now(), hidden=KeptBytes(b"0123456789")))
        target = f"{FILES}/out:download?alt=media"
        whole = await ask(url, "GET", target, KEY)
        assert (whole.status, whole.body, whole.values("content-type")) == (200, b"0123456789", ["application/jsonl"])
        part = await ask(url, "GET", target, KEY, ("Range", "bytes=2-4"))
        assert (part.status, part.body, part.values("content-range")) == (206, b"234", ["bytes 2-4/10"])
        beyond = await ask(url, "GET", target, KEY, ("Range", "bytes=10-"))
        assert (beyond.status, beyond.values("content-range")) == (416, ["bytes */10"])


async def test_a_download_may_be_redirected_and_comes_all_the_same():
    async with simulator(redirects_downloads=True) as running:
        film = {"instances": [{"prompt": "x"}]}
        start = await ask(
            running.http_url, "POST", "/~s/v1beta/models/veo-3.0-generate-001:predictLongRunning", KEY, body=film
        )
        for _ in range(2):
            done = (await ask(running.http_url, "GET", f"/~s/v1beta/{start.json['name']}", KEY)).json
        uri = urlsplit(done["response"]["generateVideoResponse"]["generatedSamples"][0]["video"]["uri"])
        moved = await ask(running.http_url, "GET", f"/~s{uri.path}?{uri.query}", KEY)
        target = urlsplit(moved.values("location")[0])
        assert (moved.status, f"{target.scheme}://{target.netloc}") == (302, running.http_url)
        assert target.path == f"/~s/download{uri.path}"
        answer = await ask(running.http_url, "GET", f"{target.path}?{target.query}", KEY, ("Range", "bytes=0-9"))
        assert (answer.status, answer.body) == (206, film_file(Film())[:10])


async def test_a_raw_client_that_is_killed_asks_where_it_was_and_goes_on():
    data = bytes(range(256)) * 4000
    async with simulator() as running:
        begin = (
            ("X-Goog-Upload-Protocol", "resumable"),
            ("X-Goog-Upload-Command", "start"),
            ("X-Goog-Upload-Header-Content-Length", str(len(data))),
        )
        started = await ask(running.http_url, "POST", "/upload/v1beta/files", KEY, *begin, body={})
        url = urlsplit(started.values("x-goog-upload-url")[0])
        target = f"{url.path}?{url.query}"
        _, writer = await asyncio.open_connection(url.hostname, url.port)
        head = (
            f"POST {target} HTTP/1.1\r\nHost: h\r\nX-Goog-Upload-Command: upload, finalize\r\n"
            f"X-Goog-Upload-Offset: 0\r\nContent-Length: {len(data)}\r\n\r\n"
        )
        writer.write(head.encode() + data[:700_000])
        await writer.drain()
        query = ("X-Goog-Upload-Command", "query")

        async def received():
            asked = await ask(running.http_url, "POST", target, query)
            return int(asked.values("x-goog-upload-size-received")[0])

        async with asyncio.timeout(20):
            while not await received():  # noqa: ASYNC110 - the simulator says so only when it is asked
                await asyncio.sleep(0.01)
        writer.transport.abort()
        await until(lambda: running.stage.recorder.transcript().exchanges[1].failure == "client left")
        offset = await received()
        assert 0 < offset <= 700_000
        fields = (("X-Goog-Upload-Command", "upload, finalize"), ("X-Goog-Upload-Offset", str(offset)))
        answer = await ask(running.http_url, "POST", target, *fields, body=data[offset:])
        digest = b64encode(hashlib.sha256(data).hexdigest().encode()).decode()
        assert (answer.json["file"]["sizeBytes"], answer.json["file"]["sha256Hash"]) == (str(len(data)), digest)
