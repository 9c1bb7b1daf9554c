"""Makes films out of shipped seeds, or of seeds that PyAV encodes where it is installed (the extra `media`)."""

from functools import cache, lru_cache
from importlib.resources import files

from .boxes import box
from .encoder import encoded_pictures, has_encoder
from .film import Film, Size
from .matrix import MATRIX, nearest, seed_name
from .mp4 import Pictures, film_bytes, pictures_in

_KEPT_FILMS = 32
_KEPT_SEEDS = 16


def film_file(film: Film, mark: str = "") -> bytes:
    """An MP4 file of that size, length, rate and sound; `mark` stands at its end, so that two films differ.

    A size that is not shipped is encoded with PyAV; without that the film has the nearest size that is shipped.
    """
    return _unmarked(film) + box(b"free", mark.encode())


def made_size(size: Size) -> Size:
    """The size that a film gets for which `size` is wanted."""
    return size if size in MATRIX or has_encoder() else nearest(size)


@lru_cache(maxsize=_KEPT_FILMS)
def _unmarked(film: Film) -> bytes:
    return film_bytes(film, _pictures(made_size(film.size)), _tone())


@lru_cache(maxsize=_KEPT_SEEDS)
def _pictures(size: Size) -> Pictures:
    return pictures_in(_shipped(seed_name(size))) if size in MATRIX else encoded_pictures(size, is_hurried=True)


@cache
def _tone() -> bytes:
    return _shipped("tone.aac")


def _shipped(name: str) -> bytes:
    return files("understudy_simulator").joinpath("_media", name).read_bytes()
