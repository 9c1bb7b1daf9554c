"""Asks the other calculators anew, keeps their figures, and writes the docs' section. `--kept`: the docs alone."""

import json
import sys

from .asking import VERSIONS, figures
from .measure import PAGE, PINNED, page_with, section

if "--kept" not in sys.argv[1:]:
    told = {who: {"version": version, "figures": figures(who)} for who, version in VERSIONS.items()}
    PINNED.write_text(json.dumps(told, indent=1) + "\n", "utf-8")
PAGE.write_text(page_with(PAGE.read_text("utf-8"), section()), "utf-8")
