"""A callback of LiteLLM that writes what each call cost as a line of JSON, for `understudy check --cost-file`.

It runs inside of LiteLLM's process and writes nothing but LiteLLM's own figures: the id that the client gets as
`x-litellm-call-id`, and `response_cost`. A call that LiteLLM could not price has the cost null.
"""

import json
import os
from datetime import datetime
from pathlib import Path
from typing import Any

from litellm.integrations.custom_logger import CustomLogger

FILE = Path(os.environ["COST_LOG"])


class CostLog(CustomLogger):
    """Appends one line a call; each is written at once, since the suite reads while LiteLLM runs."""

    async def async_log_success_event(
        self, kwargs: dict[str, Any], response_obj: Any, start_time: datetime, end_time: datetime
    ) -> None:
        """Called by LiteLLM after a call that succeeded."""
        write("success", kwargs)

    async def async_log_failure_event(
        self, kwargs: dict[str, Any], response_obj: Any, start_time: datetime, end_time: datetime
    ) -> None:
        """Called by LiteLLM after a call that failed."""
        write("failure", kwargs)


def write(event: str, kwargs: dict[str, Any]) -> None:
    """One line about a call; `kwargs` is what LiteLLM knows of it."""
    standard = kwargs.get("standard_logging_object") or {}
    cost = standard.get("response_cost", kwargs.get("response_cost"))
    entry = {
        "id": kwargs.get("litellm_call_id") or standard.get("id"),
        # LiteLLM counts in floats: twelve digits are far from where their noise begins.
        "cost": None if cost is None else format(float(cost), ".12g"),
        # LiteLLM has no word for it; of a call that failed it can only say what was seen until then.
        "known": "exact" if event == "success" else "estimated",
        "event": event,
        "model": standard.get("model") or kwargs.get("model"),
    }
    with FILE.open("a", encoding="utf-8") as file:
        file.write(json.dumps(entry) + "\n")


cost_log = CostLog()
