"""Whether the gateway keeps accounts; what needs them must not be asked for without."""

from collections.abc import Iterator, Sequence
from typing import Final

from ..settings import GatewayKey, ModelAccount
from .document import Path
from .reading import Block, Reading

_WORD: Final = "accounting"


def read_accounting(
    reading: Reading, ours: Block, path: Path, keys: Sequence[GatewayKey], models: Sequence[ModelAccount]
) -> bool:
    """The word `accounting` in `ours`, which stands at `path`; true where it is missing.

    Without accounts there is nothing to hold a budget or a number of tokens against, and no cost for a header: both
    together are a mistake.
    """
    if ours.get(_WORD) is None or reading.flag(ours, path, _WORD):
        return True
    place = (*path, _WORD)
    needing = list(_needing(keys, models))
    needing += [name for name in ("response_cost_header", "key_spend_header") if reading.flag(ours, path, name)]
    for name in needing:
        reading.problem(place, f"false, and {name} needs the accounts")
    reading.notice(
        place, "no usage is read and nothing priced; exchanges have no spend record, their costs are unknown"
    )
    return False


def _needing(keys: Sequence[GatewayKey], models: Sequence[ModelAccount]) -> Iterator[str]:
    for key in keys:
        if key.max_budget is not None:
            yield f"max_budget of the key '{key.id}'"
        if key.rates.tpm is not None:
            yield f"tpm_limit of the key '{key.id}'"
    for entry in models:
        if entry.rates.tpm is not None:
            yield f"tpm of the model '{entry.model}'"
