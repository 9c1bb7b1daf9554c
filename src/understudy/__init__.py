"""Understudy rehearses AI gateways without Google."""

__version__ = "0.1.0"


def scenarios(*words: str) -> tuple[str, ...]:
    """The ids of the shipped scenarios that `words` name, in order, for `pytest.mark.parametrize`; no words: all.

    A word is an id or the start of one (`live`, `gemini/`). Raises ScenarioError if it names none.
    """
    from .library import named_ids

    return named_ids(words)
