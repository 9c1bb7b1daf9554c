"""What the table of requirements is made of: rows, mutants of our gateway, and how the data is written down."""

from dataclasses import dataclass, field
from typing import Final, Literal

Level = Literal["MUST", "SHOULD", "MAY"]
Kind = Literal["bench", "documentation", "open"]
"""What holds a row without a mutant: rows of `make bench`; a page or a setting of the project; nothing yet."""

PACKAGE: Final = "gateway/understudy_gateway"
GROUND: Final = "src/understudy"


@dataclass(frozen=True, slots=True)
class HeldBy:
    """What holds a requirement that no test kills a mutant for. `where`: rows of the benchmark, or files; `why`."""

    kind: Kind
    where: tuple[str, ...]
    why: str


@dataclass(frozen=True, slots=True)
class Row:
    """One requirement. `code` and `tests` are what its mutants do not name already; `held_by`: see HeldBy.

    A place in the code is `routing.route`, in a package `limits.budget.Budget.reserve`, on the ground floor
    `understudy.secret.Secret`. A test is `test_gateway_http::test_x`: its file, whose name is unique, and its function.
    """

    id: str
    level: Level
    sentence: str
    code: tuple[str, ...] = ()
    tests: tuple[str, ...] = ()
    held_by: HeldBy | None = None


@dataclass(frozen=True, slots=True)
class Mutant:
    """One small fault in our code: in `file`, which is from the root, `old` stands once and becomes `new`.

    Each of `tests` must fail by it. `ids` are the requirements that it breaks. `also` are further such changes in the
    same file, for a fault that needs two places.
    """

    name: str
    ids: tuple[str, ...]
    file: str
    old: str = field(repr=False)
    new: str = field(repr=False)
    tests: tuple[str, ...]
    also: tuple[tuple[str, str], ...] = ()

    @property
    def edits(self) -> tuple[tuple[str, str], ...]:
        """All changes: what stands once, and what it becomes."""
        return ((self.old, self.new), *self.also)


def must(id: str, sentence: str, *, code: str = "", tests: str = "") -> Row:
    """A row that MUST hold; places and tests are written in one text, apart by white space."""
    return Row(id, "MUST", sentence, tuple(code.split()), tuple(tests.split()))


def should(id: str, sentence: str, *, code: str = "", tests: str = "") -> Row:
    """A row that SHOULD hold."""
    return Row(id, "SHOULD", sentence, tuple(code.split()), tuple(tests.split()))


def held(row: Row, kind: Kind, where: str, why: str) -> Row:
    """The row, held by something else than a mutant's tests."""
    return Row(row.id, row.level, row.sentence, row.code, row.tests, HeldBy(kind, tuple(where.split()), why))


def mutant(
    name: str, ids: str, file: str, old: str, new: str, tests: str, also: tuple[tuple[str, str], ...] = ()
) -> Mutant:
    """A mutant; `file` is below our package, or from the root where it begins with `src/`."""
    where = file if file.startswith("src/") else f"{PACKAGE}/{file}"
    return Mutant(name, tuple(ids.split()), where, old, new, tuple(tests.split()), also)
