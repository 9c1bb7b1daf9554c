"""What a body says, read from its bytes as they come: as they are, and the text of its JSON parts joined. Pure.

JSON can spell every letter as `\\u0061`, and a model's words come in pieces, each in a part, an event or a message of
its own. So two readings are made: `spelled`, the body with such spellings undone, and `said`, the values of all `text`
members (and Live's transcripts) put together in their order. What is no JSON is read as the text that it is.

What a client writes is in both: a word must not be hidden by what follows it in another part. What a model says is in
`said` alone: its pieces end in the middle of words, where a piece may look like a word that it is not.
"""

import codecs
import re
from typing import Final

_MARK: Final = re.compile(r"\\u[0-9a-fA-F]{4}|\\[^u]|\\u(?![0-9a-fA-F]{0,3}\Z)|\"", re.DOTALL)
_PLAIN: Final = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_LONGEST_NAME: Final = 16
_SAYING: Final = frozenset({"text"})


class TextReader:
    """Reads one body, or the messages of one side of a session. Holds a few characters at most."""

    def __init__(self, *, is_answer: bool = False) -> None:
        self._is_answer = is_answer
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._tail = ""
        self._high = ""
        self._is_inside = False
        self._is_saying = False
        self._string: str | None = ""
        self._colon = False

    def feed(self, data: bytes, *, is_last: bool = False) -> tuple[str, str]:
        """The next bytes, cut anywhere, as `spelled` and `said`."""
        # Without NUL, UTF-16 reads as the ASCII that it mostly is.
        text = self._tail + self._decoder.decode(data, is_last).replace("\0", "")
        self._tail = ""
        spelled: list[str] = []
        said: list[str] = []
        at = 0
        for mark in _MARK.finditer(text):
            self._take(text[at : mark.start()], spelled, said)
            at = mark.end()
            if mark[0] == '"':
                spelled.append('"')
                self._turn()
            else:
                self._take(_meaning(mark[0]), spelled, said)
        rest = text[at:]
        backslash = -1 if is_last else rest.find("\\")
        if backslash >= 0:
            self._tail, rest = rest[backslash:], rest[:backslash]
        self._take(rest, spelled, said)
        return self._joined(spelled), _whole("".join(said))

    def _take(self, piece: str, spelled: list[str], said: list[str]) -> None:
        if not piece:
            return
        if not (self._is_saying and self._is_answer):
            spelled.append(piece)
        if not self._is_inside:
            bare = piece.strip()
            if bare:
                self._colon = bare == ":" and not self._colon
                self._string = self._string if self._colon else None
        elif self._is_saying:
            said.append(piece)
        elif self._string is not None:
            self._string = self._string + piece if len(self._string) + len(piece) <= _LONGEST_NAME else None

    def _turn(self) -> None:
        """A quotation mark: a string begins or ends."""
        if self._is_inside:
            self._is_inside = self._is_saying = self._colon = False
            return
        self._is_inside = True
        self._is_saying = self._colon and self._string in _SAYING
        self._string = ""

    def _joined(self, pieces: list[str]) -> str:
        """The pieces; two halves of one character that were spelled apart are put together."""
        text = self._high + "".join(pieces)
        self._high = ""
        if text.isascii():
            return text
        if "\ud800" <= text[-1] <= "\udbff":
            text, self._high = text[:-1], text[-1]
        return _whole(text)


def _whole(text: str) -> str:
    """Without halves of characters: two that meet are one, a lone one is none."""
    return text if text.isascii() else text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _meaning(escape: str) -> str:
    if escape[1] != "u":
        return _PLAIN.get(escape[1], escape[1])
    return chr(int(escape[2:], 16)) if len(escape) == 6 else escape
