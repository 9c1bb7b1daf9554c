"""Request heads that were judged before: a client sends nearly the same one with each request of a connection.

Where a request goes, who sends it, its tags and what of its head goes up follow from its head and the configuration
alone. So a head that comes again, whatever its Content-Length and its request id, need not be judged again: that spares
a fifth of what a request costs. Remembered are heads with a valid key that came twice, and no long ones (S-56):
heads that differ each time, such as those of traced requests, leave a number behind. Pure.
"""

from dataclasses import dataclass, field
from typing import Final

from understudy.messages import RawHeaders

from .keys import Caller
from .refusals import Refusal
from .routes import Route

MOST_HEADS: Final = 512
LONGEST_HEAD: Final = 4096
"""Bytes of a head that is remembered. With what Python adds to many small fields that is 10 MiB in all at most."""

MOST_SEEN: Final = 4096
"""Heads of which it is known that they came once."""

_ALONE: Final = (b"content-length", b"x-litellm-call-id")
"""Fields from which nothing of this follows; they differ from request to request."""

_LENGTHS: Final = frozenset(map(len, _ALONE))

Key = tuple[str, str, RawHeaders]


@dataclass(slots=True)
class KnownHead:
    """What follows from a head. `tags` are the key's and the client's.

    `coding` and `expect` are the values of Transfer-Encoding and Expect in lower case, None where there is none.
    """

    route: Route
    caller: Caller
    tags: tuple[str, ...]
    coding: bytes | None = None
    expect: bytes | None = None
    _credential: RawHeaders | None = field(default=None, init=False, repr=False)
    _sent: RawHeaders | Refusal = field(default=(), init=False, repr=False)

    def sent(self, credential: RawHeaders) -> RawHeaders | Refusal | None:
        """What goes up beside that credential, or why nothing does; None if that was not found out yet."""
        return self._sent if self._credential == credential else None

    def send(self, credential: RawHeaders, sent: RawHeaders | Refusal) -> None:
        """Beside that credential this goes up. A token lasts for many requests; then there is another."""
        self._credential, self._sent = credential, sent


class KnownHeads:
    """The heads that came lately, for as long as the configuration stays."""

    def __init__(self, key_header: bytes | None = None, *, most: int = MOST_HEADS, most_seen: int = MOST_SEEN) -> None:
        """`key_header` (lower case) may carry the gateway key: it always tells."""
        self._alone = frozenset(_ALONE) - {key_header or b""}
        self._most = most
        self._most_seen = most_seen
        self._known: dict[Key, KnownHead] = {}
        self._seen: set[int] = set()

    def __len__(self) -> int:
        return len(self._known)

    def get(self, method: str, target: str, headers: RawHeaders) -> KnownHead | None:
        """What follows from a head, if it is remembered; `target` is that of the request line."""
        return self._known.get((method, target, self._telling(headers)))

    def put(self, method: str, target: str, headers: RawHeaders, known: KnownHead) -> None:
        """Remember what follows from a head, at its second coming.

        When there are too many, all are forgotten: none keeps out a newer one.
        """
        if len(target) + sum(len(name) + len(value) for name, value in headers) > LONGEST_HEAD:
            return
        key = (method, target, self._telling(headers))
        mark = hash(key)  # two heads of one mark: the second is remembered a request too early
        if mark not in self._seen:
            if len(self._seen) >= self._most_seen:
                self._seen.clear()
            self._seen.add(mark)
            return
        if len(self._known) >= self._most:
            self._known.clear()
        self._known[key] = known

    def _telling(self, headers: RawHeaders) -> RawHeaders:
        alone = self._alone
        return tuple([one for one in headers if len(one[0]) not in _LENGTHS or one[0].lower() not in alone])
