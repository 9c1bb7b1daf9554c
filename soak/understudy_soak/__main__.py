"""`python -m understudy_soak`."""

from .cli import main

main()
