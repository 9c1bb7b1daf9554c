"""What the Live programs of other clients have in common: what is said, the tool, and how a program is run.

A program reads {"base_url", "key_file", "project", "location", "talks"} from standard input ("talks" are all if it
names none) and writes one JSON line a talk:
{"talk", "values"} or {"talk", "error", "where"}. Runs in the interpreter of a client environment.
"""

import asyncio
import json
import math
import struct
import sys
import traceback
import warnings
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

KEY = "AIzaFAKE"
HELLO = "Hello there"
QUESTION = "What is the weather in Paris?"
WEATHER = "sunny, 21 degrees"
LIMIT_S = 60
RATE_HZ = 16_000

Plan = dict[str, Any]
Talk = Callable[[Plan], Awaitable[dict[str, Any]]]


def spoken_second() -> bytes:
    """A second of sound and a second of silence, as 16 kHz PCM: what the service takes for speech that has ended."""
    tone = b"".join(struct.pack("<h", round(8000 * math.sin(at / 12))) for at in range(RATE_HZ))
    return tone + bytes(len(tone))


def frames(pcm: bytes, milliseconds: int = 20) -> list[bytes]:
    """The sound in pieces of so many milliseconds."""
    size = 2 * RATE_HZ * milliseconds // 1000
    return [pcm[start : start + size] for start in range(0, len(pcm), size)]


def hold(talks: Mapping[str, Talk]) -> None:
    """Hold all talks, one after the other, and say what came of them."""
    warnings.simplefilter("ignore")
    plan = json.load(sys.stdin)
    out, sys.stdout = sys.stdout, sys.stderr

    async def held(name: str, talk: Talk) -> None:
        try:
            async with asyncio.timeout(LIMIT_S):
                line: dict[str, Any] = {"talk": name, "values": await talk(plan)}
        except Exception as error:
            line = {"talk": name, "error": f"{type(error).__name__}: {error}", "where": traceback.format_exc()[-1500:]}
        print(json.dumps(line), file=out, flush=True)

    async def held_all() -> None:
        for name in plan.get("talks", talks):
            await held(name, talks[name])

    asyncio.run(held_all())
