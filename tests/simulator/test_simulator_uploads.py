"""Google's upload protocols: resumable, raw, multipart; the disk spool behind them."""

import asyncio
import gc
import hashlib
import resource as limits
from base64 import b64encode
from pathlib import Path

import pytest
from call_rig import START, UploadDesk
from hypothesis import given
from hypothesis import strategies as st

from understudy_simulator.multipart_related import MultipartRelated
from understudy_simulator.replies import Media
from understudy_simulator.spool import NoRoomError, Spool, discard
from understudy_simulator.uploads import GRANULARITY

UPLOAD = "/upload/v1beta/files"
CHUNK = b"\1" * GRANULARITY


@pytest.fixture
def desk(tmp_path: Path) -> UploadDesk:
    return UploadDesk(tmp_path)


def shown_hash(data: bytes) -> str:
    return b64encode(hashlib.sha256(data).hexdigest().encode()).decode()


async def test_a_start_says_where_the_bytes_go(desk: UploadDesk):
    more = {"X-Goog-Upload-Header-Content-Length": "5", "X-Goog-Upload-Header-Content-Type": "text/plain"}
    answer = await desk.send(UPLOAD, START | more, b'{"file": {"display_name": "T", "size_bytes": 5}}')
    assert (answer.status, answer.upload) == (200, "active")
    place, _, query = answer.headers["x-goog-upload-url"].partition("?")
    assert place == "http://sim.test/upload/v1beta/files"
    upload_id = query.removeprefix("upload_id=").removesuffix("&upload_protocol=resumable")
    assert len(upload_id) == 100
    assert answer.headers["x-goog-upload-chunk-granularity"] == "8388608"
    assert (answer.headers["content-length"], answer.headers["content-type"]) == ("0", "text/plain; charset=utf-8")
    assert answer.headers["x-guploader-uploadid"] == upload_id


async def test_a_file_comes_in_chunks(desk: UploadDesk):
    more = {"X_Goog_Upload_Header_Content_Type": "text/plain", "X_Goog_Upload_Header_Content_Length": GRANULARITY + 3}
    place = await desk.start(metadata={"file": {"displayName": "T"}}, **more)
    first = await desk.data(place, "upload", 0, CHUNK[:1000], CHUNK[1000:])
    assert (first.status, first.upload, first.value) == (200, "active", None)
    assert (await desk.data(place, "query", None)).received == GRANULARITY
    last = await desk.data(place, "upload, finalize", GRANULARITY, b"end")
    assert (last.status, last.upload) == (200, "final")
    file = last.value["file"]
    assert (file["sizeBytes"], file["sha256Hash"]) == (str(GRANULARITY + 3), shown_hash(CHUNK + b"end"))
    assert (file["mimeType"], file["displayName"]) == ("text/plain", "T")
    query = await desk.data(place, "query", None)
    assert (query.upload, query.received) == ("final", GRANULARITY + 3)
    assert desk.ask("GET", f"/v1beta/{file['name']}", fits="File") == file


async def test_a_client_that_left_goes_on_from_what_came(desk: UploadDesk):
    data = bytes(range(256)) * 40
    place = await desk.start()
    with pytest.raises(ConnectionError):
        await desk.data(place, "upload, finalize", 0, data[:5000], data[5000:6001], breaks=True)
    there = await desk.data(place, "query", None)
    assert (there.upload, there.received) == ("active", 6001)
    done = await desk.data(place, "upload, finalize", 6001, data[6001:])
    assert done.value["file"]["sha256Hash"] == shown_hash(data)


async def test_a_chunk_whose_answer_was_lost_may_come_again(desk: UploadDesk):
    place = await desk.start()
    for _ in range(2):
        assert (await desk.data(place, "upload", 0, CHUNK)).upload == "active"
        assert (await desk.data(place, "query", None)).received == GRANULARITY
    changed = await desk.data(place, "upload", 0, b"\2" * GRANULARITY)
    assert (changed.status, changed.upload) == (400, "active")
    assert (await desk.data(place, "query", None)).received == GRANULARITY
    last = [await desk.data(place, "upload, finalize", GRANULARITY, b"end") for _ in range(2)]
    assert last[0] == last[1]
    assert last[0].value["file"]["sha256Hash"] == shown_hash(CHUNK + b"end")
    assert (await desk.data(place, "upload, finalize", GRANULARITY, b"other")).status == 400
    assert len(desk.ask("GET", "/v1beta/files")["files"]) == 1


async def test_a_chunk_that_broke_off_may_come_again_whole(desk: UploadDesk):
    place = await desk.start()
    with pytest.raises(ConnectionError):
        await desk.data(place, "upload", 0, CHUNK[:70_000], breaks=True)
    assert (await desk.data(place, "upload", 0, CHUNK)).upload == "active"
    done = await desk.data(place, "upload, finalize", GRANULARITY)
    assert done.value["file"]["sha256Hash"] == shown_hash(CHUNK)


async def test_finalize_alone_ends_an_upload(desk: UploadDesk):
    place = await desk.start()
    await desk.data(place, "upload", 0, CHUNK)
    done = await desk.data(place, "finalize", None)
    assert (done.status, done.upload, done.value["file"]["sizeBytes"]) == (200, "final", str(GRANULARITY))
    assert await desk.data(place, "finalize", None) == done


async def test_wrong_requests_are_refused_and_nothing_of_them_is_kept(desk: UploadDesk):
    place = await desk.start(X_Goog_Upload_Header_Content_Length=GRANULARITY + 10)
    assert (await desk.data(place, "upload", 7, b"x")).error[0] == 400
    assert (await desk.data(place, "upload", None, b"x")).error[0] == 400
    assert "multiple of 8388608" in (await desk.data(place, "upload", 0, b"abc")).error[1]
    length = {"Content-Length": "3", "X-Goog-Upload-Command": "upload", "X-Goog-Upload-Offset": "0"}
    assert "multiple" in (await desk.send(place, length, b"abc")).error[1]
    assert (await desk.data(place, "upload", 0, CHUNK, CHUNK)).error[0] == 400
    assert (await desk.data(place, "burn", 0, b"x")).error[0] == 400
    early = await desk.data(place, "upload, finalize", 0, b"abc")
    assert (early.status, early.upload) == (400, "active")
    assert (await desk.data(place, "query", None)).received == 3
    done = await desk.data(place, "upload, finalize", 3, CHUNK, b"1234567")
    assert done.value["file"]["sizeBytes"] == str(GRANULARITY + 10)


async def test_wrong_starts_are_refused(desk: UploadDesk):
    async def refused(headers: dict[str, str], body: bytes = b"") -> tuple[int, str]:
        answer = await desk.send(UPLOAD, headers, body)
        assert answer.upload == "final"
        return answer.error

    assert "start" in (await refused({"X-Goog-Upload-Protocol": "resumable"}))[1]
    assert (await refused(START | {"X-Goog-Upload-Header-Content-Length": "-1"}))[0] == 400
    assert (await refused(START | {"X-Goog-Upload-Header-Content-Length": str(2**31 + 1)}))[0] == 400
    assert "Unknown name \"colour\" at 'file'" in (await refused(START, b'{"file": {"colour": 1}}'))[1]
    assert (await refused(START, b" " * 2**20 + b"{}"))[0] == 413
    assert (await refused(START, b"{"))[0] == 400


async def test_unknown_expired_and_foreign_uploads_are_not_found(desk: UploadDesk):
    assert (await desk.data(f"{UPLOAD}?upload_id=none", "query", None)).error == (404, "Upload not found.")
    place = await desk.start(scope="a")
    assert (await desk.data(place, "query", None, scope="b")).status == 404
    store = desk.ask("POST", "/v1beta/fileSearchStores", {})["name"]
    elsewhere = place.replace("/files?", f"/{store}:uploadToFileSearchStore?")
    assert (await desk.data(elsewhere, "query", None)).status == 404
    desk.wait(days=7)
    assert (await desk.data(place, "query", None, scope="a")).status == 404


async def test_a_cancelled_upload_is_over(desk: UploadDesk):
    place = await desk.start()
    await desk.data(place, "upload", 0, CHUNK)
    assert (await desk.data(place, "cancel", None)).upload == "cancelled"
    assert (await desk.data(place, "query", None)).upload == "cancelled"
    late = await desk.data(place, "upload, finalize", GRANULARITY, b"x")
    assert (late.status, late.upload) == (400, "cancelled")
    assert kept(desk) == []
    assert desk.ask("GET", "/v1beta/files") == {}


async def test_a_file_belongs_to_the_scope_of_its_start(desk: UploadDesk):
    place = await desk.start(scope="mine")
    done = await desk.data(place, "upload, finalize", 0, b"abc")
    name = done.value["file"]["name"]
    assert desk.ask("GET", "/v1beta/files", scope="mine")["files"][0]["name"] == name
    assert desk.ask("GET", "/v1beta/files") == {}
    desk.numbers[""] = 50
    other = await desk.start(scope="other")
    again = await desk.data(other, "upload, finalize", 0, b"abc")
    assert again.value["file"]["name"] != name
    fresh = UploadDesk(desk.spool.folder or Path())
    same = await fresh.data(await fresh.start(scope="mine"), "upload, finalize", 0, b"abc")
    assert same.value["file"]["name"] == name, "ids come from the start, whatever else the default scope has done"


async def test_two_requests_for_one_upload_do_not_mix(desk: UploadDesk):
    place = await desk.start()
    stalled = asyncio.create_task(desk.data(place, "upload, finalize", 0, *[b"a"] * 50))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    there = (await desk.data(place, "query", None)).received
    done = await desk.data(place, "upload, finalize", there, *[b"a"] * (60 - there))
    old = await stalled
    assert (old.status, done.status) == (409, 200)
    assert done.value["file"]["sha256Hash"] == shown_hash(b"a" * 60)


async def test_a_scope_that_is_reset_leaves_nothing_of_an_upload_under_way(desk: UploadDesk):
    place = await desk.start()
    stalled = asyncio.create_task(desk.data(place, "upload, finalize", 0, *[b"a"] * 50))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    for forgotten in desk.store.forget(None):
        discard(forgotten.hidden)
    assert (await stalled).status == 409
    assert (await desk.data(place, "query", None)).status == 404
    assert kept(desk) == []
    assert desk.ask("GET", "/v1beta/files") == {}


async def test_raw_and_multipart_uploads_take_one_request(desk: UploadDesk):
    raw = await desk.send(UPLOAD, {"X-Goog-Upload-Protocol": "raw", "Content-Type": "text/csv"}, b"a,", b"b")
    assert (raw.upload, raw.value["file"]["mimeType"], raw.value["file"]["sizeBytes"]) == ("final", "text/csv", "3")
    for end in ("\r\n", "\n"):
        lines = ["--B", "Content-Type: application/json", "", '{"file": {"display_name": "M"}}', "--B"]
        body = end.join([*lines, "Content-Type: text/html", "", "<p>\r\n--C--</p>", "--B--", ""]).encode()
        kind = {"Content-Type": 'multipart/related; boundary="B"'}
        halves = [body[at : at + 7] for at in range(0, len(body), 7)]
        file = (await desk.send(f"{UPLOAD}?uploadType=multipart", kind, *halves)).value["file"]
        assert (file["displayName"], file["mimeType"]) == ("M", "text/html")
        assert file["sha256Hash"] == shown_hash(b"<p>\r\n--C--</p>")
        cut = await desk.send(UPLOAD, kind, body[:-10])
        assert cut.error[0] == 400
    none = await desk.send(UPLOAD, {"X-Goog-Upload-Protocol": "multipart", "Content-Type": "text/plain"}, b"x")
    assert none.error == (400, "Missing boundary in multipart body.")
    wrong = await desk.send(UPLOAD, kind, body.replace(b"display_name", b"colour"))
    assert "colour" in wrong.error[1]


@given(st.binary(max_size=60), st.lists(st.integers(1, 20), max_size=12), st.sampled_from((b"\r\n", b"\n")))
def test_multipart_bodies_are_read_however_they_are_cut(media: bytes, cuts: list[int], end: bytes):
    body = end.join([b"--b", b"", b"{}", b"--b", b"Content-Type: a/b", b"", media, b"--b--", b""])
    parts, found, at = MultipartRelated("multipart/related; boundary=b"), b"", 0
    for size in [*cuts, len(body)]:
        found += parts.feed(body[at : at + size])
        at += size
    # A media whose last byte is CR cannot be told from a CRLF line end where lines end in LF.
    expected = media.removesuffix(b"\r") if end == b"\n" else media
    if b"\n--b" not in b"\n" + media:
        assert (found, parts.metadata, parts.media_type, parts.is_complete) == (expected, b"{}", "a/b", True)


async def test_a_store_takes_uploads_too(desk: UploadDesk):
    store = desk.ask("POST", "/v1beta/fileSearchStores", {"displayName": "s"})["name"]
    target = f"/upload/v1beta/{store}:uploadToFileSearchStore"
    place = await desk.start(target, {"displayName": "d"}, X_Goog_Upload_Header_Content_Type="text/plain")
    done = await desk.data(place, "upload, finalize", 0, b"text")
    assert done.upload == "final"
    assert done.value["response"]["sizeBytes"] == "4"
    assert desk.ask("GET", f"/v1beta/{done.value['response']['documentName']}")["displayName"] == "d"


# ---- the disk


def kept(desk: UploadDesk) -> list[str]:
    folder = desk.spool.folder
    return [] if folder is None else sorted(path.name for path in folder.iterdir())


async def test_a_full_disk_is_told_and_nothing_half_is_kept(desk: UploadDesk):
    place = await desk.start()
    await desk.data(place, "upload", 0, CHUNK)
    soft, hard = limits.getrlimit(limits.RLIMIT_FSIZE)
    limits.setrlimit(limits.RLIMIT_FSIZE, (GRANULARITY + 1000, hard))
    try:
        full = await desk.data(place, "upload, finalize", GRANULARITY, b"a" * 600, b"b" * 600)
    finally:
        limits.setrlimit(limits.RLIMIT_FSIZE, (soft, hard))
    assert (full.status, full.upload, full.headers["x-understudy-error"]) == (507, "active", "DISK_FULL")
    assert (await desk.data(place, "query", None)).received == GRANULARITY
    done = await desk.data(place, "upload, finalize", GRANULARITY, b"a" * 600, b"b" * 600)
    assert done.value["file"]["sha256Hash"] == shown_hash(CHUNK + b"a" * 600 + b"b" * 600)


async def test_files_go_when_nobody_holds_them(desk: UploadDesk):
    store = desk.ask("POST", "/v1beta/fileSearchStores", {})["name"]
    name = (await desk.send(UPLOAD, {"X-Goog-Upload-Protocol": "raw"}, b"abc")).value["file"]["name"]
    begun = desk.ask("POST", f"/v1beta/{store}:importFile", {"fileName": name})
    document = desk.ask("GET", f"/v1beta/{begun['name']}")["response"]["documentName"]
    desk.ask("DELETE", f"/v1beta/{name}")
    media = desk.answer("GET", f"/v1beta/{store}/media/{document.rpartition('/')[2]}?alt=media")
    assert isinstance(media, Media)
    assert (media.source.read_bytes() if isinstance(media.source, Path) else media.source) == b"abc"
    desk.ask("DELETE", f"/v1beta/{document}?force=true")
    gc.collect()
    assert kept(desk) == []


def test_a_spool_is_private_and_made_when_it_is_needed(tmp_path: Path):
    spool = Spool(tmp_path)
    assert list(tmp_path.iterdir()) == []
    file = spool.new()
    assert spool.folder is not None
    assert spool.folder.stat().st_mode & 0o777 == 0o700
    assert file.path.stat().st_mode & 0o777 == 0o600
    file.append(b"abc")
    file.discard()
    with pytest.raises(NoRoomError):
        file.append(b"d")
    assert not file.path.exists()
    second = spool.new()
    spool.close()
    assert list(tmp_path.iterdir()) == []
    del second
    with pytest.raises(NoRoomError):
        Spool(tmp_path / "none").new()


def test_a_spool_goes_with_who_holds_it(tmp_path: Path):
    spool = Spool(tmp_path)
    spool.new()
    del spool
    gc.collect()
    assert list(tmp_path.iterdir()) == []


def test_of_bytes_that_found_no_room_none_stay(tmp_path: Path):
    spool = Spool(tmp_path)
    file = spool.new()
    file.append(b"abc")
    soft, hard = limits.getrlimit(limits.RLIMIT_FSIZE)
    limits.setrlimit(limits.RLIMIT_FSIZE, (100, hard))
    try:
        with pytest.raises(NoRoomError):
            file.append(b"x" * 200)
    finally:
        limits.setrlimit(limits.RLIMIT_FSIZE, (soft, hard))
    assert (file.size, file.read()) == (3, b"abc")
    assert file.sha256_hash() == shown_hash(b"abc")
