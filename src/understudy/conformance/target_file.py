"""A target file, as a person wrote it, as a Target; or all its mistakes at once, each with line and path. Pure.

The words are described in docs/reference/target-file.md.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, Literal, TypeVar, cast, get_args
from urllib.parse import urlsplit

from ..errors import DocumentError, Problem, did_you_mean
from ..scenario.parse import Lines, Path, path_text, problem_at
from ..secret import Secret
from ..surfaces import Surface
from .target import FEATURES, CostSource, Deviation, KeyPlace, SurfaceOrder, Target

PRICE_BOOKS: Final[tuple[Literal["frozen", "shipped"], ...]] = ("frozen", "shipped")
_Kind = Literal["none", "json-lines", "endpoint", "header"]
_KINDS: Final[tuple[_Kind, ...]] = get_args(_Kind)
_PLACES: Final[tuple[KeyPlace, ...]] = get_args(KeyPlace)
WORDS: Final = (
    *("name", "version", "url", "features", "prefixes", "key", "carrier", "vertex_carrier", "project", "location"),
    *("cost", "price_book", "response_headers", "deviations"),
)
_KEY_WORDS: Final = ("env", "file")
COST_WORDS: Final[Mapping[str, tuple[str, ...]]] = {
    "none": (),
    "header": ("header", "within_s"),
    "json-lines": ("file", "id_header", "id", "amount", "known", "within_s"),
    "endpoint": ("url", "entries", "key", "id_header", "id", "amount", "known", "within_s"),
}
_NAME: Final = re.compile(r"[A-Za-z0-9._-]{1,80}")
_PREFIX: Final = re.compile(r"(?:/[A-Za-z0-9._~!$&'()*+,;=:@%-]+)*")
_RULE: Final = re.compile(r"[A-Z]+(?:-[0-9]+(?:/[a-z0-9-]+)?)?")
_SPEND_URL: Final = re.compile(r"(?:https?://[^/@\s]+)?/[!-~]*\{id\}[!-~]*")
_FIELD: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~?-]+")
_LONGEST_WAIT_S: Final = 60.0

Word = TypeVar("Word", bound=str)
Other = TypeVar("Other")

FileReader = Callable[[str], str]
"""Gives the text of a file that the target file names; raises OSError or ValueError."""


def parse_target(
    document: object,
    source: str = "target",
    lines: Lines | None = None,
    environ: Mapping[str, str] | None = None,
    read_file: FileReader | None = None,
    located: Callable[[str], str] = str,
) -> Target:
    """The target that a decoded document describes.

    A key is taken from `environ` or read by `read_file`; a variable that is not set leaves the target without a key,
    since the command line may bring one. `located` makes a path of what `cost.file` says. Raises DocumentError
    with every mistake, in the order of the file.
    """
    reading = _Reading(source, lines or {}, environ or {}, read_file)
    target = _target(reading.mapping(document, (), WORDS), reading, located)
    if reading.problems:
        raise DocumentError(sorted(reading.problems, key=lambda problem: problem.line or 0))
    return target


def _target(words: Mapping[str, Any], reading: "_Reading", located: Callable[[str], str]) -> Target:
    for word in ("name", "features"):
        if word not in words:
            reading.mistake((), f"'{word}' is missing")
    plain = Target("", frozenset())
    features = frozenset(reading.choices(words, ("features",), tuple(FEATURES)))
    cost = _cost(words.get("cost"), reading, located)
    if "cost" in features and cost.kind == "none":
        reading.mistake(("features",), "'cost' is claimed, but `cost` does not say where the costs are shown")
    return Target(
        name=reading.text(words, ("name",), "", _NAME, "a name of letters, digits, dots and dashes"),
        features=features,
        prefixes=_prefixes(words.get("prefixes", {}), reading),
        key=_key(words.get("key"), ("key",), reading),
        carrier=reading.choice(words, ("carrier",), _PLACES, plain.carrier),
        vertex_carrier=reading.choice(words, ("vertex_carrier",), _PLACES, None),
        project=reading.text(words, ("project",), plain.project, _NAME, "a project"),
        location=reading.text(words, ("location",), plain.location, _NAME, "a location"),
        cost=cost,
        price_book=_price_book(words, reading),
        response_headers=reading.texts(words, ("response_headers",), _FIELD, "the name of a header field, or a glob"),
        deviations=_deviations(words.get("deviations", []), reading),
        version=reading.text(words, ("version",), ""),
        url=_url(reading.text(words, ("url",), ""), reading),
        source=reading.source,
    )


class _Reading:
    """Takes values out of a document and collects what is wrong with them."""

    def __init__(self, source: str, lines: Lines, environ: Mapping[str, str], read_file: FileReader | None) -> None:
        self.source = source
        self.environ = environ
        self.read_file = read_file
        self.problems: list[Problem] = []
        self._lines = lines

    def mistake(self, path: Path, message: str) -> None:
        self.problems.append(problem_at(path, message, self.source, self._lines))

    def mapping(self, value: object, path: Path, known: Iterable[str]) -> Mapping[str, Any]:
        """A mapping of known words; empty if it is none."""
        if not isinstance(value, dict):
            self.mistake(path, f"a mapping is wanted here; found {_found(value)}")
            return {}
        words = cast("dict[str, Any]", value)
        known = tuple(known)
        for word in words:
            if word not in known:
                # The line is that of the word, the path that of the mapping in which it stands.
                line = problem_at((*path, word), "", self.source, self._lines).line
                message = f"unknown key '{word}'{did_you_mean(str(word), known)}"
                self.problems.append(Problem(self.source, line, path_text(path), message))
        return words

    def sequence(self, value: object, path: Path) -> Sequence[Any]:
        if not isinstance(value, list):
            self.mistake(path, f"a list is wanted here; found {_found(value)}")
            return ()
        return cast("list[Any]", value)

    def text(
        self, words: Mapping[str, Any], path: Path, default: str, pattern: re.Pattern[str] | None = None, what: str = ""
    ) -> str:
        """A text that matches the pattern whole; `default` if it is absent or wrong."""
        if path[-1] not in words:
            return default
        value: object = words[str(path[-1])]
        if not isinstance(value, str):
            quotes = "; put it in quotes" if isinstance(value, int | float) else ""
            self.mistake(path, f"a text is wanted here; found {_found(value)}{quotes}")
            return default
        if pattern is not None and not pattern.fullmatch(value):
            self.mistake(path, f"wanted {what}; found {_found(value)}")
            return default
        return value

    def texts(self, words: Mapping[str, Any], path: Path, pattern: re.Pattern[str], what: str) -> tuple[str, ...]:
        found: list[str] = []
        for index, value in enumerate(self.sequence(words.get(str(path[-1]), []), path)):
            if isinstance(value, str) and pattern.fullmatch(value):
                found.append(value)
            else:
                self.mistake((*path, index), f"wanted {what}; found {_found(value)}")
        return tuple(found)

    def choice(self, words: Mapping[str, Any], path: Path, known: Sequence[Word], default: Other) -> Word | Other:
        """One of the known words; `default` if it is absent or wrong."""
        if path[-1] not in words:
            return default
        return self._one_of(words[str(path[-1])], path, known) or default

    def choices(self, words: Mapping[str, Any], path: Path, known: Sequence[str]) -> tuple[str, ...]:
        values = self.sequence(words.get(str(path[-1]), []), path)
        found = [self._one_of(value, (*path, index), known) for index, value in enumerate(values)]
        return tuple(word for word in found if word is not None)

    def _one_of(self, value: object, path: Path, known: Sequence[Word]) -> Word | None:
        for word in known:
            if word == value:
                return word
        hint = did_you_mean(value, known) if isinstance(value, str) else ""
        self.mistake(path, f"wanted one of {', '.join(known)}; found {_found(value)}{hint}")
        return None


def _found(value: object) -> str:
    match value:
        case None:
            return "nothing"
        case dict():
            return "a mapping"
        case list():
            return "a list"
        case bool():
            return str(value).lower()
        case _:
            text = ascii(value)
            return text if len(text) <= 60 else f"{text[:57]}..."


def _price_book(words: Mapping[str, Any], reading: _Reading) -> Literal["frozen", "shipped"]:
    return reading.choice(words, ("price_book",), PRICE_BOOKS, None) or "frozen"


def _url(url: str, reading: _Reading) -> str:
    parts = urlsplit(url)
    if url and (parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment):
        reading.mistake(("url",), f"wanted the gateway's address, http://HOST:PORT; found {_found(url)}")
    if parts.username or parts.password:
        reading.mistake(("url",), "a URL with a password in it; name the key with `key`")
    return url


def _prefixes(value: object, reading: _Reading) -> dict[Surface, str]:
    words = reading.mapping(value, ("prefixes",), tuple(surface.value for surface in SurfaceOrder))
    what = "a path that begins with a slash and does not end with one, or ''"
    return {
        surface: reading.text(words, ("prefixes", surface.value), "", _PREFIX, what)
        for surface in SurfaceOrder
        if surface.value in words
    }


def _key(value: object, place: Path, reading: _Reading) -> Secret | None:
    if value is None:
        return None
    if isinstance(value, str):
        # A secret does not belong into a file that is committed, nor into an error text.
        reading.mistake(place, "a key is not written here; name its variable, {env: NAME}, or its file, {file: PATH}")
        return None
    words = reading.mapping(value, place, _KEY_WORDS)
    if len(words.keys() & set(_KEY_WORDS)) > 1:
        reading.mistake(place, "wanted `env` or `file`; found both")
        return None
    name = reading.text(words, (*place, "env"), "")
    if name:
        return Secret(reading.environ[name]) if reading.environ.get(name) else None
    path = reading.text(words, (*place, "file"), "")
    if not path or reading.read_file is None:
        if not words.keys() & set(_KEY_WORDS) and isinstance(value, dict):
            reading.mistake(place, "'env' or 'file' is missing")
        return None
    try:
        return Secret(reading.read_file(path).strip())
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or type(error).__name__
        reading.mistake((*place, "file"), f"{path}: cannot be read: {reason}")
        return None


def _cost(value: object, reading: _Reading, located: Callable[[str], str]) -> CostSource:
    if value is None:
        return CostSource()
    every = dict.fromkeys(word for words in COST_WORDS.values() for word in words)
    words = reading.mapping(value, ("cost",), ("kind", *every))
    if "kind" not in words and isinstance(value, dict):
        reading.mistake(("cost",), "'kind' is missing")
    kind = reading.choice(words, ("cost", "kind"), _KINDS, None) or "none"
    for word in words:
        if "kind" in words and word in every and word not in COST_WORDS[kind]:
            reading.mistake(("cost", word), f"has no meaning where `kind` is {kind}")
    plain = CostSource()
    file = reading.text(words, ("cost", "file"), plain.file)
    if kind == "endpoint" and "url" not in words:
        reading.mistake(("cost",), "'url' is missing: the endpoint's, with {id} where the request's id stands")
    return CostSource(
        kind=kind,
        header=reading.text(words, ("cost", "header"), plain.header, _FIELD, "the name of a header field").lower(),
        file=located(file) if file else "",
        url=reading.text(words, ("cost", "url"), plain.url, _SPEND_URL, "a path or an http URL with {id} in it"),
        entries=reading.text(words, ("cost", "entries"), plain.entries),
        key=_key(words.get("key"), ("cost", "key"), reading),
        id_header=reading.text(words, ("cost", "id_header"), plain.id_header, _FIELD, "the name of a header field"),
        id=reading.text(words, ("cost", "id"), plain.id),
        amount=reading.text(words, ("cost", "amount"), plain.amount),
        known=reading.text(words, ("cost", "known"), plain.known),
        within_s=_seconds(words.get("within_s", plain.within_s), reading),
    )


def _seconds(value: object, reading: _Reading) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= _LONGEST_WAIT_S:
        return float(value)
    reading.mistake(("cost", "within_s"), f"wanted seconds, 0 to {_LONGEST_WAIT_S:g}; found {_found(value)}")
    return 0.0


def _deviations(value: object, reading: _Reading) -> tuple[Deviation, ...]:
    found: list[Deviation] = []
    for index, entry in enumerate(reading.sequence(value, ("deviations",))):
        path: Path = ("deviations", index)
        words = reading.mapping(entry, path, ("check", "reason"))
        for word in ("check", "reason"):
            if isinstance(entry, dict) and word not in words:
                reading.mistake(path, f"'{word}' is missing")
        what = "a check, a requirement or an area, such as HDR-4/x-pass-host, HDR-4 or HDR"
        check = reading.text(words, (*path, "check"), "", _RULE, what)
        reason = reading.text(words, (*path, "reason"), "")
        if "reason" in words and not reason.strip():
            reading.mistake((*path, "reason"), "a deviation needs its reason in words")
        found.append(Deviation(check, reason))
    return tuple(found)
