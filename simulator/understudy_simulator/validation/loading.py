"""Reads the descriptions that ship with the package; each file is read once."""

import json
from functools import lru_cache
from importlib.resources import files
from typing import Final, Literal

from .described import Descriptions, read_descriptions

_PACKAGE: Final = __name__.rpartition(".")[0]
_GEMINI_DEFAULT: Final = "v1beta"
_VERTEX_DEFAULT: Final = "v1"


@lru_cache(maxsize=16)
def descriptions(service: Literal["gemini", "vertex"], version: str) -> Descriptions:
    """The messages of a service as `version` has them; an empty or unknown version is the service's usual one.

    All versions of the Gemini API share one set, because its clients send the same to each of them.
    """
    if service == "gemini":
        return _read("gemini", version or _GEMINI_DEFAULT)
    return _read("vertex_v1beta1", version) if version == "v1beta1" else _read("vertex_v1", _VERTEX_DEFAULT)


def _read(name: str, version: str) -> Descriptions:
    text = files(_PACKAGE).joinpath("data", f"{name}.json").read_text("utf-8")
    return read_descriptions(json.loads(text), version)
