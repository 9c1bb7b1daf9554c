"""The stand-in for Cloud Storage over sockets: what VEO wrote there, and what clients put there."""

import hashlib
from base64 import b64encode
from sys import getrefcount
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from simulator_rig import ask, simulator
from video_rig import Videos, shape

from understudy_simulator.clock import ManualClock
from understudy_simulator.settings import VideoRun
from understudy_simulator.storage_uploads import crc32c_of

UPLOAD = "/upload/storage/v1/b/bucket/o"


@pytest.mark.parametrize("prefix", ["gs://bucket/some/dir/", "gs://bucket", "gs://bucket/dir"])
async def test_films_that_go_to_storage_are_there(prefix):
    async with simulator() as running:
        client = Videos(running.http_url, vertex=True)
        done = await client.finished(storageUri=prefix, sampleCount=2, durationSeconds=6)
        uris = [video["gcsUri"] for video in done["response"]["videos"]]
        folder = f"{prefix.rstrip('/')}/{done['name'].rpartition('/')[2]}"
        assert uris == [f"{folder}/sample_0.mp4", f"{folder}/sample_1.mp4"]
        assert all("bytesBase64Encoded" not in video for video in done["response"]["videos"])
        for uri in uris:
            answer = await client.stored(uri)
            assert answer.values("content-type") == ["video/mp4"]
            md5 = b64encode(hashlib.md5(answer.body).digest()).decode()
            crc = b64encode(crc32c(answer.body).to_bytes(4)).decode()
            assert answer.values("x-goog-hash") == [f"crc32c={crc}", f"md5={md5}"]
            assert shape(answer.body)[1] == 6.0
            name = quote(uri.removeprefix("gs://bucket/"), safe="")
            about = (await ask(running.http_url, "GET", f"/storage/v1/b/bucket/o/{name}")).json
            assert about["crc32c"] == crc
            assert (about["md5Hash"], about["size"]) == (md5, str(len(answer.body)))
            assert about["mediaLink"].startswith(f"{running.http_url}/download/storage/v1/b/bucket/o/")
        part = await client.stored(uris[0], ("Range", "bytes=4-7"))
        assert (part.status, part.body) == (206, b"ftyp")


def crc32c(data):
    """Bit by bit, as RFC 3720 section 12.1 has it."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def test_the_checksum_is_that_of_the_standard():
    assert crc32c(b"123456789") == 0xE3069283
    assert crc32c_of(b"123456789") == b64encode(bytes.fromhex("e3069283")).decode()
    # RFC 3720 B.4: 32 bytes of zeroes.
    assert crc32c_of(bytes(32)) == b64encode(bytes.fromhex("8a9136aa")).decode()


def test_a_checksum_does_not_keep_what_it_is_of():
    """An object that is deleted would else stay in memory."""
    data = bytes(1000)
    known = getrefcount(data)
    crc32c_of(data)
    assert getrefcount(data) == known


@given(st.binary(max_size=40))
def test_the_checksum_of_any_bytes(data):
    assert crc32c_of(data) == b64encode(crc32c(data).to_bytes(4)).decode()


async def begun(url, name="a/b.txt"):
    kind = ("X-Upload-Content-Type", "text/plain")
    made = await ask(url, "POST", f"{UPLOAD}?uploadType=resumable&name={quote(name, safe='')}", kind)
    [place] = made.values("location")
    assert made.status == 200 and place.startswith(f"{url}{UPLOAD}?") and made.values("x-guploader-uploadid")
    return place.removeprefix(url)


def part(text):
    return ("Content-Range", text)


async def test_a_resumable_upload_in_pieces():
    unit = 256 * 1024
    data = bytes(range(256)) * 1024 + b"the rest"
    async with simulator() as running:
        url = running.http_url
        place = await begun(url)
        nothing = await ask(url, "PUT", place, part(f"bytes */{len(data)}"))
        assert (nothing.status, nothing.values("range")) == (308, [])
        first = await ask(url, "PUT", place, part(f"bytes 0-{unit - 1}/*"), body=data[:unit])
        assert (first.status, first.values("range")) == (308, [f"bytes=0-{unit - 1}"])
        there = await ask(url, "PUT", place, part("bytes */*"))
        assert (there.status, there.values("range")) == (308, [f"bytes=0-{unit - 1}"])
        odd = await ask(url, "PUT", place, part(f"bytes {unit}-{unit + 1}/*"), body=b"ab")
        gap = await ask(url, "PUT", place, part(f"bytes {unit + 1}-{unit + 2}/{unit + 9}"), body=b"ab")
        wrong = await ask(url, "PUT", place, part(f"bytes {unit}-{unit + 2}/{unit + 9}"), body=b"ab")
        assert [answer.status for answer in (odd, gap, wrong)] == [400, 400, 400]
        # Two bytes come a second time: they are not taken twice.
        last = data[unit - 2 :]
        done = await ask(url, "PUT", place, part(f"bytes {unit - 2}-{len(data) - 1}/{len(data)}"), body=last)
        assert (done.status, done.json["name"], done.json["contentType"]) == (200, "a/b.txt", "text/plain")
        assert done.json["crc32c"] == crc32c_of(data)
        assert (done.json["size"], done.json["md5Hash"]) == (
            str(len(data)),
            b64encode(hashlib.md5(data).digest()).decode(),
        )
        assert (await ask(url, "GET", "/storage/v1/b/bucket/o/a%2Fb.txt?alt=media")).body == data
        assert (await ask(url, "PUT", place, part("bytes */*"))).status == 404


async def test_a_resumable_upload_in_one_piece_or_given_up():
    async with simulator() as running:
        url = running.http_url
        done = await ask(url, "PUT", await begun(url), body=b"whole")
        assert (done.status, done.json["size"]) == (200, "5")
        place = await begun(url, "other")
        assert (await ask(url, "DELETE", place)).status == 499
        assert (await ask(url, "PUT", place, body=b"x")).status == 404
        assert (await ask(url, "GET", "/storage/v1/b/bucket/o/other")).status == 404


async def test_films_are_there_when_they_are_done_and_stay():
    clock = ManualClock()
    async with simulator(clock=clock, speed=1.0, video_run=VideoRun(0, 30.0)) as running:
        client = Videos(running.http_url, vertex=True)
        await client.started(storageUri="gs://bucket")
        listed = "/storage/v1/b/bucket/o"
        assert "items" not in (await ask(running.http_url, "GET", listed)).json
        clock.advance(30)
        # Nobody has polled.
        [item] = (await ask(running.http_url, "GET", listed)).json["items"]
        clock.advance(100 * 24 * 3600)
        answer = await client.stored(f"gs://bucket/{item['name']}")
        assert (answer.status, shape(answer.body)[1]) == (200, 8.0)


async def test_what_is_uploaded_is_listed_read_and_deleted():
    async with simulator() as running:
        url = running.http_url
        made = await ask(
            url, "POST", f"{UPLOAD}?uploadType=media&name=a%2Fone.png", ("Content-Type", "image/png"), body=b"1"
        )
        assert (made.status, made.json["name"], made.json["contentType"]) == (200, "a/one.png", "image/png")
        head = b'--x\r\nContent-Type: application/json\r\n\r\n{"name": "a/two.png"}\r\n'
        body = head + b"--x\r\nContent-Type: image/png\r\n\r\n22\r\n--x--\r\n"
        kind = ("Content-Type", "multipart/related; boundary=x")
        made = await ask(url, "POST", f"{UPLOAD}?uploadType=multipart", kind, body=body)
        assert (made.json["size"], made.json["contentType"]) == ("2", "image/png")
        await ask(url, "POST", f"{UPLOAD}?uploadType=media&name=top.png", body=b"333")
        names = "/storage/v1/b/bucket/o"
        listed = (await ask(url, "GET", names)).json
        assert [item["name"] for item in listed["items"]] == ["a/one.png", "a/two.png", "top.png"]
        folders = (await ask(url, "GET", f"{names}?delimiter=/")).json
        assert (folders["prefixes"], [item["name"] for item in folders["items"]]) == (["a/"], ["top.png"])
        below = (await ask(url, "GET", f"{names}?prefix=a/t")).json
        assert [item["name"] for item in below["items"]] == ["a/two.png"]
        assert (await ask(url, "GET", f"{names}/a%2Ftwo.png?alt=media")).body == b"22"
        assert (await ask(url, "DELETE", f"{names}/a%2Ftwo.png")).status == 204
        assert (await ask(url, "GET", f"{names}/a%2Ftwo.png")).status == 404
        assert (await ask(url, "DELETE", f"{names}/a%2Ftwo.png")).status == 404
        assert len((await ask(url, "GET", names)).json["items"]) == 2
        assert (await ask(url, "GET", "/storage/v1/b/other")).json["name"] == "other"


async def test_a_film_can_be_deleted():
    async with simulator() as running:
        client = Videos(running.http_url, vertex=True)
        done = await client.finished(storageUri="gs://bucket")
        [video] = done["response"]["videos"]
        name = quote(video["gcsUri"].removeprefix("gs://bucket/"), safe="")
        assert (await ask(running.http_url, "DELETE", f"/storage/v1/b/bucket/o/{name}")).status == 204
        assert (await client.stored(video["gcsUri"])).status == 404


@pytest.mark.parametrize(
    ("method", "target", "status", "reason"),
    [
        ("GET", "/storage/v1/b/bucket/o/none", 404, "notFound"),
        ("GET", "/download/storage/v1/b/bucket/o/none?alt=media", 404, "notFound"),
        ("POST", f"{UPLOAD}?uploadType=other&name=x", 400, "invalid"),
        ("POST", f"{UPLOAD}?uploadType=resumable", 400, "required"),
        ("PUT", f"{UPLOAD}?uploadType=resumable&upload_id=none", 404, "notFound"),
        ("DELETE", f"{UPLOAD}?uploadType=resumable&upload_id=none", 404, "notFound"),
        ("POST", f"{UPLOAD}?uploadType=multipart", 400, "invalid"),
        ("POST", f"{UPLOAD}?uploadType=media", 400, "required"),
    ],
)
async def test_what_is_not_there_is_told_as_storage_tells_it(method, target, status, reason):
    async with simulator(strict=True) as running:
        answer = await ask(running.http_url, method, target)
        assert (answer.status, answer.json["error"]["errors"][0]["reason"]) == (status, reason)
