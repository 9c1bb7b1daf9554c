"""A request that is being read, and what its head says of how to read it."""

from understudy.messages import RawHeaders

from .exchange import Exchange


class Incoming:
    """A request that is being read, or waits to be answered."""

    __slots__ = (
        "body",
        "continues",
        "exchange",
        "is_http_11",
        "is_too_large",
        "is_whole",
        "keeps_alive",
        "method",
        "size",
    )

    def __init__(self, method: str, is_http_11: bool, keeps_alive: bool, continues: bool) -> None:
        self.method = method
        self.is_http_11 = is_http_11
        self.keeps_alive = keeps_alive
        self.continues = continues
        self.exchange: Exchange | None = None
        self.body: list[bytes] = []
        self.size = 0
        self.is_whole = False
        self.is_too_large = False


HeadFacts = tuple[int, bool, int]
"""See facts_of."""


def facts_of(headers: RawHeaders) -> HeadFacts:
    """`Content-Length` (0 if there is none), whether the client waits for `100 Continue`, how many `Host` there are."""
    length, expects, hosts = 0, False, 0
    for name, value in headers:
        size = len(name)
        if size == 4 and name.lower() == b"host":
            hosts += 1
        elif size == 14 and name.lower() == b"content-length":
            length = int(value) if value.isdigit() else 0
        elif size == 6 and name.lower() == b"expect":
            expects = value.lower() == b"100-continue"
    return length, expects, hosts
