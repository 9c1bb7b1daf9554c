"""The cost of batch jobs: every line that succeeded is one answer at batch rates (pricing 13)."""

from datetime import date

from ..usage.policies import DOCUMENTED, Policies
from ..usage.reading import Batch
from .book import PriceBook
from .cost import Cost, combined, unknown
from .exchanges import cost_of_answer
from .rates import Terms


def cost_of_batch(
    book: PriceBook,
    provider: str,
    model: str,
    batch: Batch,
    *,
    date: date,
    location: str | None = None,
    policies: Policies = DOCUMENTED,
) -> Cost:
    """What a whole job cost; failed lines are free, grounding costs as usual. `model` serves if the job names none.

    The caller settles it once for a job, when its results are first read.
    """
    if batch.is_elsewhere:
        return unknown("the results of the batch are in a file")
    terms = Terms(date, location, None, policies, is_batch=True)
    return combined(cost_of_answer(book, provider, batch.model or model, line, terms) for line in batch.lines)
