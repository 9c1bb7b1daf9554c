"""The routes of all API families."""

from typing import Final

from ..routing import Route
from . import (
    agents,
    anthropic,
    batch_jobs,
    batches,
    compute_tokens,
    credentials,
    embeddings,
    file_search,
    generate,
    interactions,
    models,
    openai_chat,
    predict,
    registered_models,
    tuned_models,
    tunings,
    videos,
    webhooks,
)

ROUTES: Final[tuple[Route, ...]] = (
    *agents.ROUTES,
    *anthropic.ROUTES,
    *batch_jobs.ROUTES,
    *batches.ROUTES,
    *compute_tokens.ROUTES,
    *credentials.ROUTES,
    *embeddings.ROUTES,
    *file_search.ROUTES,
    *generate.ROUTES,
    *interactions.ROUTES,
    *models.ROUTES,
    *openai_chat.ROUTES,
    *predict.ROUTES,
    *registered_models.ROUTES,
    *tuned_models.ROUTES,
    *tunings.ROUTES,
    *videos.ROUTES,
    *webhooks.ROUTES,
)
