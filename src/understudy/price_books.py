"""The price books by their names: the shipped one, the invented one of the scenarios, a file of the operator's."""

from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, cast

from .bounds import DocumentPath
from .documents import document_of, scenarios_folder
from .errors import DocumentError, PriceError, Problem, did_you_mean
from .pricing.book import Layer, PriceBook
from .pricing.checking import Finding, findings
from .pricing.price_text import lines_of, read_json

MAX_PRICE_BYTES: Final = 64 * 1024 * 1024
_SHIPPED: Final = ("retired", "current", "corrections")
"""The layers of the shipped price book, later ones over earlier ones (pricing 2)."""


def price_book(name_or_path: str | Path = "shipped", over: Iterable[Layer] = ()) -> PriceBook:
    """`frozen`: the invented prices of the scenarios; `shipped`: Google's; a path: an own file over the shipped ones.

    An own file is JSON or YAML in LiteLLM's words. `over` are layers above all others, such as the prices of a
    gateway's `model_info`. Raises PriceError.
    """
    if name_or_path == "frozen":
        return PriceBook.from_layers([_layer(scenarios_folder() / "prices.yaml", "frozen"), *over])
    folder = Path(__file__).parent / "_prices"
    layers = [_layer(folder / f"{name}.json", name) for name in _SHIPPED]
    if name_or_path != "shipped":
        near = "" if Path(name_or_path).exists() else did_you_mean(str(name_or_path), ("frozen", "shipped"))
        if near:
            raise PriceError(f"{name_or_path}: no such price book, and no such file{near}")
        layers.append(_layer(Path(name_or_path), str(name_or_path), strict=True))
    return PriceBook.from_layers([*layers, *over])


def price_findings(path: Path) -> tuple[Finding, ...]:
    """What is to be said of an own price file: mistakes and notes, each with its line. Raises PriceError."""
    text = _price_text(path, str(path))
    try:
        value, lines = _prices_of(path, text, str(path))
    except DocumentError as error:
        return tuple(Finding(problem) for problem in error.problems)
    found = findings(str(path), value, lines_of(text) if lines is None else lines, price_book())
    if all(finding.is_note for finding in found):
        try:
            price_book(path)
        except PriceError as error:
            return (*found, Finding(Problem(str(path), None, "", str(error).removeprefix(f"{path}: "))))
    return found


def _layer(path: Path, name: str, *, strict: bool = False) -> Layer:
    try:
        entries, _ = _prices_of(path, _price_text(path, name), name)
    except DocumentError as error:
        raise PriceError(str(error)) from None
    if not isinstance(entries, dict):
        raise PriceError(f"{name}: wanted a mapping of models")
    return Layer(name, cast("dict[str, Any]", entries), strict)


def _price_text(path: Path, name: str) -> str:
    try:
        if path.stat().st_size > MAX_PRICE_BYTES:
            raise PriceError(f"{name}: larger than {MAX_PRICE_BYTES} bytes")
        return path.read_text("utf-8")
    except OSError as error:
        raise PriceError(f"{name}: cannot be read: {error.strerror or type(error).__name__}") from None
    except UnicodeDecodeError:
        raise PriceError(f"{name}: is not UTF-8") from None


def _prices_of(path: Path, text: str, name: str) -> tuple[Any, dict[DocumentPath, int] | None]:
    """The decoded file, and its lines where reading it gives them. Raises DocumentError."""
    return (read_json(text, name), None) if path.suffix == ".json" else document_of(text, name, Decimal)
