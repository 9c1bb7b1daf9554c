"""The behaviour of Live sessions as it is written on a command line."""

from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from understudy.errors import ConfigError
from understudy_simulator.live.settings import LiveSettings
from understudy_simulator.live.words import WORDS, live_settings


@pytest.mark.parametrize(
    ("text", "change"),
    [
        ("connection=60s", {"connection_s": 60.0}),
        ("warning=1.5", {"warning_s": 1.5}),
        ("audio-pace=0", {"audio_pace": 0.0}),
        ("chunk-bytes=960", {"chunk_bytes": 960}),
        ("deflate=on", {"deflate": True}),
        ("waits-for-playback=off", {"waits_for_playback": False}),
        ("frames=text", {"frames": "text"}),
    ],
)
def test_what_is_written_is_meant(text, change):
    assert live_settings([text]) == replace(LiveSettings(), **change)


def test_words_add_up_and_the_last_counts():
    wanted = LiveSettings(connection_s=2.0, warning_s=1.0)
    assert live_settings(["connection=1", "warning=1", "connection=2"]) == wanted
    assert live_settings([]) == LiveSettings()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("connection", "wanted WORD=VALUE"),
        ("conection=1", "did you mean 'connection'?"),
        ("connection=soon", "wanted a number from 0 on, not 'soon'"),
        ("connection=-1", "not '-1'"),
        ("connection=nan", "not 'nan'"),
        ("chunk-bytes=1.5", "wanted a whole number"),
        ("deflate=yes", "wanted on or off, not 'yes'"),
        ("frames=txt", "did you mean 'text'?"),
    ],
)
def test_mistakes_are_named(text, why):
    with pytest.raises(ConfigError) as caught:
        live_settings([text])
    assert why in str(caught.value) and text in str(caught.value)


@given(st.lists(st.text(max_size=30) | st.tuples(st.sampled_from(sorted(WORDS)), st.text(max_size=8)).map("=".join)))
def test_anything_else_is_a_config_error(texts):
    with suppress(ConfigError):
        assert isinstance(live_settings(texts), LiveSettings)


def test_every_word_is_described():
    page = (Path(__file__).parents[2] / "docs/reference/live-settings.md").read_text("utf-8")
    assert [line for word in WORDS for line in [f"| `{word}` |"] if line not in page] == []
