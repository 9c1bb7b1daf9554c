"""What genai-prices says of cases (JSON on stdin): figures by case id (JSON on stdout), null where it gives none."""

# pyright: reportMissingImports=false
# Runs in an environment of its own, where genai-prices is.
import json
import sys
from datetime import datetime
from decimal import Decimal

from genai_prices import extract_usage

FLAVORS = {"rawPredict": "anthropic", "chat/completions": "chat"}


def figure(case: dict, body: dict) -> Decimal:
    """One answer, as its own extractor reads it."""
    usage = extract_usage(body, provider_id="google", api_flavor=FLAVORS.get(case["kind"], "default"))
    model = usage.provider.find_model(case["model"])
    if model is None:
        raise LookupError(case["model"])
    tier = case["tier"] or body.get("usageMetadata", {}).get("trafficType", "").removeprefix("ON_DEMAND_").lower()
    context = {"service_tier": tier} if tier in ("flex", "priority") else None
    context = {"processing": "batch"} if case["kind"] == "batch" else context
    at = datetime.fromisoformat(case["day"] + "T00:00:00+00:00")
    return usage.calc_price(model=model, genai_request_timestamp=at, price_context=context).total_price


def opinion(case: dict) -> str | None:
    model = {"modelVersion": case["model"]}
    bodies = [{**model, **frame} for frame in case["frames"] if "usageMetadata" in frame]
    try:
        total = sum((figure(case, body) for body in bodies or [{**model, **case["body"]}]), Decimal(0))
    except (LookupError, TypeError, ValueError) as error:
        print(case["id"], repr(error), file=sys.stderr)
        return None
    return format(total.normalize(), "f")


print(json.dumps({case["id"]: opinion(case) for case in json.load(sys.stdin)}))
