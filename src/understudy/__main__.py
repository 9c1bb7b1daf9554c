"""`python -m understudy` is the `understudy` command."""

from .cli import main

if __name__ == "__main__":
    main()
