"""`python -m understudy` is the `understudy` command."""

from .cli.command import main

if __name__ == "__main__":
    main()
