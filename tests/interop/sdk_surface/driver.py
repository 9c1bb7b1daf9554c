"""Plays every row of the SDK surface with the google-genai of its own interpreter; a program of its own.

Reads a plan from standard input and writes one JSON line a row:

    in    {"mode": "gemini" | "vertex" | "express", "is_async": true, "base_url": "http://...", "admin": "http://..." |
           null, "only": ["m1", ...] | null}
    out   {"row": "m1", "outcome": "ok" | "refused" | "absent" | "failed", "lines": ["POST /v1/..."], "detail": "...",
           "names": {"cache": "cachedContents/1"}}

"refused" is the client's own ValueError, before any request; "absent" that this release has no such method.
"""

import asyncio
import json
import sys
import traceback
import warnings
from collections.abc import Coroutine
from typing import Any

import play_models
import play_next
import play_resources
from google import genai  # pyright: ignore[reportAttributeAccessIssue]
from google.oauth2.credentials import Credentials
from rows import ROWS
from session import Absent, Session

PROJECT, LOCATION = "fake-proj", "us-central1"
PARENT = f"projects/{PROJECT}/locations/{LOCATION}"
PLAYS = (*play_models.PLAYS, *play_resources.PLAYS, *play_next.PLAYS)
METHODS = {row.id: row.method.partition(" ")[0] for row in ROWS if ":" not in row.method}
ROW_LIMIT_S = 60


def client_of(mode: str, base_url: str) -> genai.Client:
    """A client as a user would make it: its defaults, and the address."""
    options: Any = {"base_url": base_url}
    if mode == "gemini":
        return genai.Client(api_key="AIzaFAKE", vertexai=False, http_options=options)
    if mode == "express":
        return genai.Client(api_key="AIzaFAKE", vertexai=True, http_options=options)
    token = Credentials(token="ya29.fake")
    return genai.Client(vertexai=True, project=PROJECT, location=LOCATION, credentials=token, http_options=options)


def at_once(play: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine that never waits, without an event loop."""
    try:
        play.send(None)
    except StopIteration:
        return
    play.close()
    raise AssertionError("the sync way waited")


async def outcome_of(session: Session, play: Any) -> tuple[str, str]:
    """How a row ended, and why."""
    try:
        # Before its arguments are looked for: an earlier row may be absent too, and have left nothing.
        session.method(METHODS.get(play.__name__, "models"))
        if session.is_async:
            async with asyncio.timeout(ROW_LIMIT_S):
                await play(session)
        else:
            at_once(play(session))
    except Absent as error:
        return "absent", str(error)
    except (ValueError, NotImplementedError) as error:
        is_sdks = (
            not isinstance(error, (UnicodeError, json.JSONDecodeError)) and "pydantic" not in type(error).__module__
        )
        return ("refused" if is_sdks else "failed"), f"{type(error).__name__}: {error}"
    except Exception as error:
        return "failed", f"{type(error).__name__}: {error} {place_of(error)}"
    return "ok", ""


def place_of(error: Exception) -> str:
    """Where in a play it went wrong."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "/play_" in frame.filename]
    return f"[{frames[-1].name}:{frames[-1].lineno}]" if frames else ""


async def played(plan: dict[str, Any]) -> None:
    """Play all rows in order with one client."""
    client = client_of(plan["mode"], plan["base_url"])
    places = {"base_url": plan["base_url"], "admin": plan["admin"], "parent": PARENT}
    session = Session(client, plan["mode"], is_async=plan["is_async"], **places)
    seen = 0
    for play in PLAYS:
        if plan.get("only") and play.__name__ not in plan["only"]:
            continue
        outcome, detail = await outcome_of(session, play)
        lines = session.lines()
        row = {"row": play.__name__, "outcome": outcome, "lines": lines[seen:], "detail": detail[:1500]}
        seen = len(lines)
        print(json.dumps({**row, "names": session.kept}), flush=True)
    if plan["is_async"]:
        await client.aio.aclose() if hasattr(client.aio, "aclose") else None


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    asyncio.run(played(json.load(sys.stdin)))
