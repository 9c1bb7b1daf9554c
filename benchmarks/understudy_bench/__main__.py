"""`python -m understudy_bench`."""

from .cli import main

main()
