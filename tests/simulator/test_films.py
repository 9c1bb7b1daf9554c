"""Films: PyAV reads from each what was asked for, and decodes all of it."""

import hashlib
import io
from fractions import Fraction
from typing import Any

import av
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from understudy.demo.plan import VIDEO
from understudy_simulator.film_length import film_seconds
from understudy_simulator.films import encoder, making
from understudy_simulator.films.boxes import box, content_of
from understudy_simulator.films.film import Film, size_of
from understudy_simulator.films.making import film_file, made_size
from understudy_simulator.films.matrix import MATRIX, nearest, seed_name
from understudy_simulator.films.mp4 import Pictures, film_bytes, pictures_in

SMALL = [size for size in MATRIX if max(size) < 1300]


def opened(data: bytes) -> Any:
    return av.open(io.BytesIO(data))


@pytest.mark.parametrize("size", MATRIX)
@pytest.mark.parametrize(
    ("seconds", "rate", "has_sound"), [(4, 24, True), (6, 24, False), (8, 24, True), (148, 24, True), ("5/2", 30, True)]
)
def test_a_film_is_as_it_is_asked_for(size, seconds, rate, has_sound):
    film = Film(size, Fraction(seconds), rate, has_sound)
    data = film_file(film, "a mark")
    with opened(data) as container:
        [picture] = container.streams.video
        assert (picture.width, picture.height, picture.codec_context.name) == (*size, "h264")
        assert (picture.average_rate, picture.frames) == (rate, film.pictures)
        assert picture.duration * picture.time_base == film.seconds
        assert Fraction(container.duration, 1_000_000) == film.seconds
        assert [(sound.codec_context.name, sound.rate, sound.channels) for sound in container.streams.audio] == (
            [("aac", 48_000, 2)] if has_sound else []
        )
        for sound in container.streams.audio:
            assert sound.duration * sound.time_base == film.seconds
    assert film_seconds(lambda at, most: data[at : at + most], len(data)) == film.seconds
    assert len(data) < 15_000 * (film.seconds + 1)


@pytest.mark.parametrize("size", SMALL)
def test_every_picture_and_sound_can_be_decoded(size):
    with opened(film_file(Film(size, Fraction(3)))) as container:
        pictures = [(frame.width, frame.height, frame.key_frame) for frame in container.decode(video=0)]
    assert [(width, height) for width, height, _ in pictures] == [size] * 72
    assert [index for index, (*_, is_key) in enumerate(pictures) if is_key] == [0, 24, 48]


def test_each_second_shows_the_same_and_something_moves():
    with opened(film_file(Film(seconds=Fraction(2), has_sound=False))) as container:
        pictures = [bytes(frame.planes[0]) for frame in container.decode(video=0)]
    assert pictures[:24] == pictures[24:]
    assert len(set(pictures[:24])) > 6


def test_the_sound_is_a_steady_tone():
    with opened(film_file(Film(seconds=Fraction(2)))) as container:
        volumes = [
            max(abs(value) for value in memoryview(frame.planes[0]).cast("f")) for frame in container.decode(audio=0)
        ]
    assert len(volumes) == 94
    # The first frame has nothing before it to overlap with.
    assert all(0.04 < volume < 0.08 for volume in volumes[1:])


def test_the_index_stands_ahead_of_the_data():
    data = film_file(Film())
    assert data[4:8] == b"ftyp" and data.index(b"moov") < data.index(b"mdat")
    assert sum(len(film_file(Film(size, Fraction(1)))) for size in MATRIX) < 100_000


def test_the_demo_knows_the_film():
    film = film_file(Film(), "sample 0")
    assert {"bytes": len(film), "sha256": hashlib.sha256(film).hexdigest()} == VIDEO


def test_the_mark_makes_films_differ():
    one, other = film_file(Film(), "one"), film_file(Film(), "two")
    assert one != other and one[:-3] == other[:-3]
    assert film_file(Film(), "one") == one


@given(
    st.lists(st.binary(min_size=1, max_size=40), min_size=1, max_size=30),
    st.fractions(min_value="1/10", max_value=20, max_denominator=1000),
    st.integers(1, 120),
    st.booleans(),
)
def test_what_is_written_is_read_again(samples, seconds, rate, has_sound):
    pictures = Pictures((64, 32), b"config", tuple(samples))
    film = Film((64, 32), seconds, rate, has_sound)
    data = film_bytes(film, pictures, b"tone")
    assert film_bytes(film, pictures, b"tone") == data
    if has_sound:
        with pytest.raises(ValueError, match="more than its pictures"):
            pictures_in(data)
        return
    read = pictures_in(data)
    assert (read.size, read.config, len(read.samples)) == ((64, 32), b"config", film.pictures)
    assert all(sample == samples[index % len(samples)] for index, sample in enumerate(read.samples))


@given(st.binary(max_size=200))
def test_bytes_that_are_no_film_are_told(data):
    for given_bytes in (data, box(b"moov", data)):
        with pytest.raises(ValueError):
            pictures_in(given_bytes)


def test_boxes_inside_of_boxes_are_found():
    assert content_of(box(b"moov", box(b"free"), box(b"trak", b"x")), b"moov", b"trak") == b"x"
    with pytest.raises(ValueError, match="no box mdia"):
        content_of(box(b"moov"), b"moov", b"mdia")


# ---- sizes


def test_the_sizes_of_veo():
    assert size_of("16:9", "720p") == (1280, 720)
    assert size_of("9:16", "1080p") == (1080, 1920)
    assert size_of("9:16", "4K") == (2160, 3840)
    assert size_of("1:1", "8k") == (1280, 720)


@pytest.mark.parametrize("size", [(640, 360), (100, 400), (16, 16), (854, 480)])
def test_other_sizes_are_encoded(size):
    with opened(film_file(Film(size, Fraction(1)))) as container:
        assert [(frame.width, frame.height) for frame in container.decode(video=0)] == [size] * 24


@given(st.integers(8, 2000), st.integers(8, 2000))
@settings(max_examples=30)
def test_the_nearest_size_has_the_nearest_shape(width, height):
    found = nearest((width, height))
    assert found in MATRIX
    assert all(abs(found[0] / found[1] - width / height) <= abs(w / h - width / height) for w, h in MATRIX)


def test_without_an_encoder_the_nearest_size_is_taken(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "av", None)
    assert not encoder.has_encoder()
    assert made_size((640, 360)) == (1280, 720)
    assert made_size((360, 700)) == (720, 1280)
    making._unmarked.cache_clear()
    film = film_file(Film((1000, 560), Fraction(1)))
    assert pictures_in_size(film) == (1280, 720)
    making._unmarked.cache_clear()


def pictures_in_size(data: bytes):
    entry = content_of(content_of(data, b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd")[8:], b"avc1")
    return int.from_bytes(entry[24:26]), int.from_bytes(entry[26:28])


def test_the_shipped_seeds_are_what_the_script_makes():
    """Their form: how well an encoder packs them differs from release to release."""
    made = encoder.encoded_pictures((1280, 720))
    shipped = making._pictures((1280, 720))
    assert made.size == shipped.size and len(made.samples) == len(shipped.samples) == 24
    assert made.config[:4] == shipped.config[:4]
    assert len(encoder.encoded_tone()) < 200
    assert seed_name((1280, 720)) == "1280x720.mp4"
