"""What LiteLLM says of cases (JSON on stdin): figures by case id (JSON on stdout), null where it gives none.

The handlers are those that its proxy runs behind its pass-through routes; for what has no handler, its cost functions.
"""

# pyright: reportMissingImports=false
# Runs in an environment of its own, where LiteLLM is.
import json
import os
import sys
from datetime import UTC, datetime
from typing import Any

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # the prices of its package, none fetched

import httpx
import litellm
from litellm.cost_calculator import batch_cost_calculator
from litellm.litellm_core_utils.litellm_logging import Logging
from litellm.llms.vertex_ai.gemini.vertex_and_google_ai_studio_gemini import VertexGeminiConfig
from litellm.proxy.pass_through_endpoints.llm_provider_handlers.gemini_passthrough_logging_handler import (
    GeminiPassthroughLoggingHandler,
)
from litellm.proxy.pass_through_endpoints.llm_provider_handlers.vertex_ai_live_passthrough_logging_handler import (
    VertexAILivePassthroughLoggingHandler,
)
from litellm.proxy.pass_through_endpoints.llm_provider_handlers.vertex_passthrough_logging_handler import (
    VertexPassthroughLoggingHandler,
)

NOW = datetime.now(UTC)
STARTS = {"fetchPredictOperation": "predictLongRunning"}
"""LiteLLM bills a video when its job is started."""


def place_of(case: dict[str, Any]) -> str:
    method, model = STARTS.get(case["kind"], case["kind"]), case["model"]
    if case["provider"] == "gemini":
        return f"https://generativelanguage.googleapis.com/v1beta/models/{model}:{method}"
    publisher = "anthropic" if model.startswith("claude") else "google"
    where = case["location"] or "global"
    host = "aiplatform.googleapis.com" if where == "global" else f"{where}-aiplatform.googleapis.com"
    return f"https://{host}/v1/projects/p/locations/{where}/publishers/{publisher}/models/{model}:{method}"


def logging_of(case: dict[str, Any]) -> Logging:
    made = Logging(
        model=case["model"],
        messages=[],
        stream=False,
        call_type="pass_through_endpoint",
        start_time=NOW,
        litellm_call_id="c",
        function_id="f",
    )
    made.model_call_details["custom_llm_provider"] = case["provider"]
    made.custom_llm_provider = case["provider"]
    made.optional_params = {}
    return made


def handled(case: dict[str, Any]) -> float | None:
    """By the handler of the pass-through route."""
    url, is_video = place_of(case), case["kind"] in STARTS
    body = {"name": case["body"]["name"]} if is_video else case["body"]
    headers = {"x-gemini-service-tier": case["tier"]} if case["tier"] else {}
    answer = httpx.Response(200, json=body, headers=headers, request=httpx.Request("POST", url))
    words = {
        "httpx_response": answer,
        "logging_obj": logging_of(case),
        "url_route": url,
        "result": answer.text,
        "start_time": NOW,
        "end_time": NOW,
        "cache_hit": False,
        "request_body": case["request"] or {},
    }
    if case["provider"] == "gemini" and case["kind"] in ("generateContent", "fetchPredictOperation"):
        said = GeminiPassthroughLoggingHandler.gemini_passthrough_handler(**words, response_body=body)
    else:
        said = VertexPassthroughLoggingHandler.vertex_passthrough_handler(**words)
    return said["kwargs"].get("response_cost")


def of_session(case: dict[str, Any]) -> float | None:
    """By the handler of Live sessions; it is given the session's model, which it would not find out."""
    said = VertexAILivePassthroughLoggingHandler().vertex_ai_live_passthrough_handler(
        websocket_messages=case["frames"],
        logging_obj=logging_of(case),
        url_route=place_of(case),
        start_time=NOW,
        end_time=NOW,
        request_body={},
        model=case["model"],
        custom_llm_provider=case["provider"],
    )
    return said["result"] and said["result"]._hidden_params.get("response_cost")


def of_batch_line(case: dict[str, Any]) -> float:
    usage = VertexGeminiConfig._calculate_usage(case["body"])
    return sum(batch_cost_calculator(usage, case["model"], case["provider"]))


def of_chat(case: dict[str, Any]) -> float:
    answer = litellm.ModelResponse(**case["body"])
    return litellm.completion_cost(answer, model=case["model"], custom_llm_provider="vertex_ai")


OTHERS = {"bidiGenerateContent": of_session, "batch": of_batch_line, "chat/completions": of_chat}


def opinion(case: dict[str, Any]) -> str | None:
    try:
        cost = OTHERS.get(case["kind"], handled)(case)
    except Exception as error:
        print(case["id"], repr(error)[:200], file=sys.stderr)
        return None
    return None if cost is None else repr(float(cost))


opinions = {case["id"]: opinion(case) for case in json.load(sys.stdin)}
print(json.dumps(opinions))
