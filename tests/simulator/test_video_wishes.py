"""What a video request asks for: count, size, length, sound, place; and what goes on where another video ends."""

from base64 import b64encode
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from understudy_simulator.answers.videos import MOST_SECONDS, film_in, wish_of
from understudy_simulator.films.film import Film
from understudy_simulator.films.making import film_file

VEO3, VEO2 = "veo-3.1-generate-001", "veo-2.0-generate-001"


def wished(model=VEO3, vertex=True, video=None, **parameters):
    instance = {"prompt": "x"} | ({"video": video} if video else {})
    return wish_of({"instances": [instance], "parameters": parameters}, model, vertex)


def test_nothing_said_is_as_usual():
    wish = wish_of({"instances": [{"prompt": "x"}]}, VEO3, False)
    assert wish.film == Film((1280, 720), Fraction(8), 24, True)
    assert (wish.count, wish.storage_uri, wish.is_extension) == (1, "", False)


@pytest.mark.parametrize(
    ("parameters", "film"),
    [
        ({"aspectRatio": "9:16"}, Film((720, 1280))),
        ({"resolution": "1080p", "durationSeconds": 8}, Film((1920, 1080))),
        ({"resolution": "4k", "aspectRatio": "9:16"}, Film((2160, 3840))),
        ({"durationSeconds": 4, "generateAudio": False}, Film(seconds=Fraction(4), has_sound=False)),
        ({"generateAudio": True, "fps": 30}, Film(rate=30)),
        ({"duration_seconds": 6, "aspect_ratio": "9:16"}, Film((720, 1280), Fraction(6))),
        ({"durationSeconds": True, "resolution": 7, "fps": -1}, Film()),
    ],
)
def test_the_film_is_what_the_parameters_say(parameters, film):
    assert wished(**parameters).film == film


def test_who_has_sound():
    assert not wished(VEO2).film.has_sound
    assert not wished(generateAudio=False).film.has_sound
    assert wished(vertex=False, generateAudio=False).film.has_sound


def test_count_and_place():
    wish = wished(sampleCount=2, storageUri="gs://b")
    assert (wish.count, wish.storage_uri) == (2, "gs://b")
    assert wished(sampleCount=9).count == 4


def test_what_is_to_be_extended():
    assert wished(video={"gcsUri": "gs://b/o.mp4"}).extends == "gs://b/o.mp4"
    assert wished(vertex=False, video={"uri": "u"}).extends == "u"
    data = b64encode(film_file(Film(seconds=Fraction(5)))).decode()
    for video in ({"bytesBase64Encoded": data}, {"encodedVideo": data}):
        wish = wished(video=video)
        assert wish.is_extension and film_in(wish).seconds == 5
        assert wish.extended(film_in(wish)).seconds == 12
    assert film_in(wished(video={"encodedVideo": "YQ=="})).seconds > 0


def test_an_extension_has_the_size_of_what_it_extends():
    assert wished(video={"uri": "u"}).extended(Film((720, 1280), Fraction(15))) == Film((720, 1280), Fraction(22))
    assert wished(video={"uri": "u"}).extended(Film(seconds=Fraction(145))).seconds == MOST_SECONDS


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(["9:16", "4k"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
names = st.sampled_from(
    [
        *("aspectRatio", "resolution", "durationSeconds", "sampleCount", "fps", "generateAudio", "storageUri"),
        *("duration_seconds", "sample_count", "video"),
    ]
)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "instances": st.lists(
                st.dictionaries(
                    st.sampled_from(["video", "prompt"]),
                    st.dictionaries(
                        st.sampled_from(["uri", "gcsUri", "encodedVideo", "bytesBase64Encoded"]), anything, max_size=2
                    )
                    | anything,
                    max_size=2,
                ),
                max_size=2,
            )
            | anything,
            "parameters": st.dictionaries(names, anything, max_size=5) | anything,
        },
    )
    | anything,
    st.sampled_from([VEO2, VEO3, ""]),
    st.booleans(),
)
def test_any_body_asks_for_a_film_that_can_be_made(body, model, vertex):
    wish = wish_of(body, model, vertex)
    for film in (wish.film, wish.extended(film_in(wish))):
        assert 1 <= wish.count <= 4
        assert 0 < film.seconds <= MOST_SECONDS and 0 < film.rate <= 120
        assert film.pictures >= 1 and all(side in (720, 1280, 1080, 1920, 2160, 3840) for side in film.size)
