"""Request ids, under both their names (OBS-1)."""

import random
import re
from collections.abc import Callable
from typing import Final

from understudy.messages import RawHeaders, header_value

_SAFE_ID: Final = re.compile(rb"[A-Za-z0-9._:-]{1,128}")


def ids_of(headers: RawHeaders, holds_a_key: Callable[[bytes], bool]) -> RawHeaders:
    """The fields of the request id: the client's if it is a safe one and no key, else a new one."""
    given = header_value(headers, b"x-litellm-call-id")
    if given is None or not _SAFE_ID.fullmatch(given) or holds_a_key(given):
        return new_ids()
    return _under_both_names(given)


def new_ids() -> RawHeaders:
    """The fields of a new request id: 128 bits of chance. It is no secret, and the system's are dear."""
    return _under_both_names(b"%032x" % random.getrandbits(128))


def _under_both_names(value: bytes) -> RawHeaders:
    return ((b"x-litellm-call-id", value), (b"x-understudy-request-id", value))
