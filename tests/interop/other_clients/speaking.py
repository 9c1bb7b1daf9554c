"""What the programs of other clients have in common: the question with its tool, and how a program is run.

A program reads {"http", "key_file", "project", "location"} from standard input and writes one JSON line a step:
{"step", "values"} or {"step", "error"}. Runs in the interpreter of a client environment.
"""

import json
import sys
import traceback
import warnings
from collections.abc import Callable, Iterable
from typing import Any

PROMPT = "Say good morning."
QUESTION = "What is the weather in Paris?"
MODEL = "gemini-2.5-flash"
KEY = "AIzaFAKE"
TOKEN = "ya29.fake"
PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER = {"name": "get_weather", "description": "The weather in a city", "parameters": PARAMETERS}
OPENAI_TOOL = {"type": "function", "function": WEATHER}

Plan = dict[str, Any]
Step = Callable[[Plan], dict[str, Any]]


def spoken(text: str | None, prompt: int | None, output: int | None, total: int | None = None) -> dict[str, Any]:
    """The values of a step `generate`."""
    return {"text": text, "prompt": prompt, "output": output, "total": total}


def called(name: str, arguments: Any, text: str | None) -> dict[str, Any]:
    """The values of a step `tools`: the call, and what was said when its result was told."""
    return {"name": name, "args": json.loads(arguments) if isinstance(arguments, str) else arguments, "text": text}


def play(steps: Iterable[tuple[str, Step]]) -> None:
    """Play all steps and say what they gave."""
    warnings.simplefilter("ignore")
    plan = json.load(sys.stdin)
    for name, step in steps:
        try:
            line: dict[str, Any] = {"step": name, "values": step(plan)}
        except Exception as error:
            line = {"step": name, "error": f"{type(error).__name__}: {error}", "where": traceback.format_exc()[-1500:]}
        print(json.dumps(line), flush=True)
