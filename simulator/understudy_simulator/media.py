"""The video that finished operations deliver: a real, playable MP4, made once by scripts/make_media.py."""

from functools import cache
from importlib.resources import files


@cache
def sample_video() -> bytes:
    """The bytes of the MP4, whatever was asked for: H.264 (baseline), 320 x 180, with an AAC tone."""
    return files("understudy_simulator").joinpath("_media", "sample.mp4").read_bytes()
