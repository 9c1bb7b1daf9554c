"""The cost of partner models' answers on Vertex AI (pricing 16)."""

from decimal import Decimal
from typing import Final

from ..usage.meters import Unit
from ..usage.partner_tokens import claude_tokens, openai_tokens
from ..usage.reading import Reading
from ..usage.tokens import Form
from .bills import NO_USAGE, cost_of_meters
from .book import SEARCH, Entry
from .cost import Cost, Part, line_of, unknown
from .rates import Terms

_SEARCHES: Final = "server_tool_use.web_search_requests"
_SEARCH_FEE: Final = Decimal("0.01")


def cost_of_partner(entry: Entry, reading: Reading, terms: Terms) -> Cost:
    """What an answer of Claude's or of OpenAI's shape cost. `entry` is as of the day.

    Claude's web searches are a fee each, $0.01 where the entry names none.
    """
    if not reading.usage:
        return unknown(NO_USAGE)
    if reading.form is not Form.CLAUDE:
        return cost_of_meters(entry, openai_tokens(reading.usage), terms.served_tier or "", terms)
    cost = cost_of_meters(entry, claude_tokens(reading.usage), terms.served_tier or "", terms)
    searches = max(0, reading.usage.get(_SEARCHES, 0))
    if not searches:
        return cost
    price = entry.price(SEARCH)
    fee = line_of(Part.GROUNDING, "web search", searches, Unit.QUERY, _SEARCH_FEE if price is None else price)
    return Cost((*cost.lines, fee), cost.known, cost.reason, cost.remarks)
