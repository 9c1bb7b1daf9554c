"""A process that makes a certificate of the local authority, for one that should not grow by it."""

import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

from ..errors import UnderstudyError
from .certificates import issued_here


def main(arguments: Sequence[str] | None = None) -> None:
    """`HOME NAME...`: print what was issued as JSON. What is wrong with it goes to standard error."""
    home, *names = sys.argv[1:] if arguments is None else arguments
    try:
        issued = issued_here(Path(home), names)
    except UnderstudyError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_status)
    sys.stdout.buffer.write(msgspec.json.encode(issued))


if __name__ == "__main__":
    main()
