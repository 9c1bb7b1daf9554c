"""What the code execution tool does when a prompt asks to run, compute or calculate something."""

import re
from typing import Any, Final

_HINTS: Final = ("run", "execut", "comput", "calculat", "python", "code", "sum of", "plot")
_SUM: Final = re.compile(r"[0-9]{1,9}(?:\s{0,2}[-+*]\s{0,2}[0-9]{1,9}){1,9}")
_TERM: Final = re.compile(r"[-+]?[^-+]+")


def runs_code(prompt: str) -> bool:
    """Whether the prompt asks for something that is done by running code."""
    lower = prompt.lower()
    return any(hint in lower for hint in _HINTS) or _SUM.search(prompt) is not None


def code_parts(prompt: str) -> list[dict[str, Any]]:
    """The parts of a run: the code, and what it printed. Sums and products in the prompt are worked out."""
    found = _SUM.search(prompt)
    if found is None:
        code, output = 'print("done")', "done\n"
    else:
        code, output = f"print({found[0]})", f"{_worked_out(found[0])}\n"
    return [
        {"executableCode": {"language": "PYTHON", "code": code + "\n"}},
        {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": output}},
    ]


def _worked_out(expression: str) -> int:
    total = 0
    for term in _TERM.findall("".join(expression.split())):
        product = 1
        for factor in term.lstrip("+-").split("*"):
            product *= int(factor)
        total += -product if term.startswith("-") else product
    return total
