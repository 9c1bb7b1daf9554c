"""How tokens are counted: the documented rule for text, the published rates for media, whatever the bytes are."""

import struct
import wave
from base64 import b64encode, urlsafe_b64encode
from fractions import Fraction
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from understudy_simulator.answers.media_sizes import image_size, size_of_base64, video_seconds
from understudy_simulator.answers.pictures import picture
from understudy_simulator.answers.tokens import characters_of, tokens_of_part, tokens_of_request, tokens_of_text
from understudy_simulator.films.film import Film
from understudy_simulator.films.making import film_file

DOCS = Path(__file__).parents[2] / "docs" / "explanation" / "how-tokens-are-counted.md"


def inline(mime_type, data, **more):
    return {"inlineData": {"mimeType": mime_type, "data": b64encode(data).decode()}} | more


def jpeg(width, height):
    head = b"\xff\xd8\xff\xe0\x00\x10JFIF\0\1\1\0\0\1\0\1\0\0"
    return head + b"\xff\xc0\x00\x11\x08" + struct.pack(">HH", height, width) + b"\3\1\x22\0\2\x11\1\3\x11\1"


def webp(width, height):
    sizes = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return b"RIFF\x1e\0\0\0WEBPVP8X\n\0\0\0\0\0\0\0" + sizes


def wav(seconds, rate=16_000):
    out = BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(bytes(int(2 * rate * seconds)))
    return out.getvalue()


IMAGES = {
    "png": lambda width, height: picture(width, height, 1),
    "jpeg": jpeg,
    "webp": webp,
    "gif": lambda width, height: b"GIF89a" + struct.pack("<HH", width, height) + b"\0\0\0",
}


@pytest.mark.parametrize("kind", sorted(IMAGES))
@given(st.integers(1, 1500), st.integers(1, 1500))
def test_the_size_of_an_image_is_read_from_its_head(kind, width, height):
    if kind == "png":
        width, height = width % 50 + 1, height % 50 + 1
    data = IMAGES[kind](width, height)
    assert image_size(b64encode(data).decode()) == (width, height)
    assert image_size(urlsafe_b64encode(data).decode().rstrip("=")) == (width, height)


@pytest.mark.parametrize(
    ("size", "tokens"), [((1, 1), 258), ((384, 384), 258), ((385, 10), 258), ((769, 768), 516), ((2000, 1600), 2322)]
)
def test_large_images_count_by_the_tile(size, tokens):
    assert tokens_of_part(inline("image/jpeg", jpeg(*size))) == ("IMAGE", tokens)


def test_low_resolution_costs_less():
    part = inline("image/jpeg", jpeg(2000, 1600))
    assert tokens_of_part(part, "MEDIA_RESOLUTION_LOW") == ("IMAGE", 64)
    assert tokens_of_part(part | {"mediaResolution": {"level": "MEDIA_RESOLUTION_LOW"}}) == ("IMAGE", 64)
    body = {"contents": [{"parts": [part]}], "generation_config": {"media_resolution": "MEDIA_RESOLUTION_LOW"}}
    assert tokens_of_request(body) == {"IMAGE": 64}


@pytest.mark.parametrize(
    ("part", "tokens"),
    [
        (inline("audio/wav", wav(2.5)), 80),
        (inline("audio/wav", wav(2.5, 44_100)), 80),
        (inline("audio/pcm;rate=24000", bytes(48_000)), 32),
        (inline("audio/L16;codec=pcm;rate=16000", bytes(16_000)), 16),
        (inline("audio/pcm", bytes(32_000)), 32),
        (inline("audio/mp3", bytes(160_000)), 320),
        ({"fileData": {"mimeType": "audio/mp3", "fileUri": "gs://b/o"}}, 320),
    ],
)
def test_audio_counts_by_the_second(part, tokens):
    assert tokens_of_part(part) == ("AUDIO", tokens)


def test_the_length_of_a_film_is_read_from_its_head():
    film = film_file(Film(seconds=Fraction(4)))
    seconds = video_seconds(b64encode(film).decode())
    at = film.find(b"mvhd")
    scale, length = struct.unpack_from(">II", film, at + 16)
    assert seconds == length / scale > 0


@pytest.mark.parametrize(
    ("cut", "tokens"),
    [
        ({}, 2630),
        ({"startOffset": "2s", "endOffset": "5.5s"}, 4 * 263),
        ({"start_offset": "9s"}, 263),
        ({"fps": 2}, 10 * (2 * 258 + 5)),
        ({"fps": 0.5}, 10 * (129 + 5)),
        ({"endOffset": "60s"}, 60 * 263),
    ],
)
def test_video_counts_by_the_second_of_the_stretch_that_is_looked_at(cut, tokens):
    part = {"fileData": {"mimeType": "video/mp4", "fileUri": "x"}, "videoMetadata": cut}
    assert tokens_of_part(part) == ("VIDEO", tokens)


@pytest.mark.parametrize("pages", [1, 3])
def test_documents_count_by_the_page(pages):
    data = b"%PDF-1.4 /Type /Pages " + b"<< /Type /Page >> <</Type/Page/X 1>>"[: 17 if pages == 1 else None]
    data += b" /Type /Page" if pages == 3 else b""
    assert tokens_of_part(inline("application/pdf", data)) == ("DOCUMENT", 258 * pages)


def test_plain_documents_count_as_text():
    assert tokens_of_part(inline("text/plain", b"12345678")) == ("TEXT", 2)


@given(st.text())
def test_text_counts_by_its_bytes(text):
    assert tokens_of_text(text) == -(-len(text.encode("utf-8", "replace")) // 4)
    assert characters_of(text) == sum(not char.isspace() for char in text)


@given(
    st.sampled_from(
        ["image/png", "image/jpeg", "audio/wav", "audio/pcm", "video/mp4", "application/pdf", "text/x", ""]
    ),
    st.binary(max_size=80) | st.binary(max_size=40).map(lambda tail: b"\xff\xd8\xff\xc0" + tail),
)
def test_any_bytes_count_something(mime_type, data):
    modality, tokens = tokens_of_part(inline(mime_type, data))
    assert tokens >= (modality != "TEXT")
    assert size_of_base64(b64encode(data).decode()) == len(data)


@given(st.text(max_size=30))
def test_what_is_no_base64_counts_as_the_smallest_of_its_sort(data):
    assert tokens_of_part({"inlineData": {"mimeType": "image/png", "data": data}}) == ("IMAGE", 258)


def test_the_page_for_readers_tells_the_same_numbers():
    page = DOCS.read_text("utf-8")
    for number in ("four bytes", "258", "768", "384", "32", "25", "263", "1290", "1120", "2000", "ten seconds"):
        assert number in page
