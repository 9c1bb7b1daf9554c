"""The tags of a request: its key's, and those that the client gave in `x-litellm-tags` or `tags` (OBS-8). Pure.

They stand in the log and in spend, grant nothing (S-73), and are bounded, since clients make them up (S-56).
"""

import re
from typing import Final

from understudy.messages import RawHeaders

from .headers import holds_key
from .keys import Caller

MOST_TAGS: Final = 20
_TAG: Final = re.compile(rb"[!-+\--~](?:[ -+\--~]{0,62}[!-+\--~])?")
_NAMES: Final = (b"x-litellm-tags", b"tags")


def tags_of(headers: RawHeaders, caller: Caller) -> tuple[str, ...]:
    """The key's tags, then the client's, each once. What is no tag (visible ASCII, at most 64 bytes), or holds the
    gateway key, is left out.
    """
    lists = [value for name, value in headers if len(name) in (4, 14) and name.lower() in _NAMES]
    if not lists:
        return caller.tags
    given = [piece.strip(b" \t") for value in lists for piece in value.split(b",")]
    good = [
        piece.decode("ascii") for piece in given if _TAG.fullmatch(piece) and not holds_key(piece, caller.presented)
    ]
    return tuple(dict.fromkeys((*caller.tags, *good)))[: MOST_TAGS + len(caller.tags)]
