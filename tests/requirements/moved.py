"""Follows code that has moved: `python -m requirements.moved` writes the new file into mutants whose text stands there.

Only where the text stands once in one other file; what has changed is for a person to look at.
"""

from pathlib import Path

from .model import PACKAGE, Mutant
from .sources import modules, text_of
from .table import MUTANTS


def new_file(mutant: Mutant) -> str | None:
    """The one other file in which all that a mutant changes stands once; None if it has not moved so."""
    if all(text_of(mutant.file).count(old) == 1 for old, _ in mutant.edits):
        return None
    found = [file for file in modules().values() if all(text_of(file).count(old) == 1 for old, _ in mutant.edits)]
    return found[0] if len(found) == 1 else None


def written(file: str) -> str:
    """A file as the data has it: below our package without the package's own path."""
    return file.removeprefix(f"{PACKAGE}/")


def main() -> None:
    """Write the new files, and say which."""
    for path in sorted(Path(__file__).parent.glob("*.py")):
        text = path.read_text("utf-8")
        for mutant in MUTANTS:
            at, file = text.find(f'"{mutant.name}"'), new_file(mutant)
            if at < 0 or file is None:
                continue
            place = text.index(f'"{written(mutant.file)}"', at)
            text = text[:place] + text[place:].replace(f'"{written(mutant.file)}"', f'"{written(file)}"', 1)
            print(f"{mutant.name}: {written(mutant.file)} -> {written(file)}")
        if text != path.read_text("utf-8"):
            path.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
