"""The routes of all API families."""

from dataclasses import replace
from typing import Final

from ..routing import Route
from ..stage import Stage
from ..video_jobs import VideoJobs
from . import (
    agents,
    anthropic,
    auth_tokens,
    batch_jobs,
    batches,
    caches,
    compute_tokens,
    credentials,
    decisions,
    deployed,
    embeddings,
    environments,
    file_search,
    files,
    generate,
    impersonation,
    interactions,
    models,
    oauth,
    openai_chat,
    openai_files,
    openai_other,
    openai_responses,
    openai_videos,
    operations,
    partners,
    predict,
    registered_models,
    storage,
    triggers,
    tuned_models,
    tunings,
    videos,
    voices,
    webhooks,
)

ROUTES: Final[tuple[Route, ...]] = (
    *agents.ROUTES,
    *anthropic.ROUTES,
    *batch_jobs.ROUTES,
    *batches.ROUTES,
    *compute_tokens.ROUTES,
    *credentials.ROUTES,
    *decisions.ROUTES,
    *deployed.ROUTES,
    *embeddings.ROUTES,
    *environments.ROUTES,
    *file_search.ROUTES,
    *generate.ROUTES,
    *interactions.ROUTES,
    *models.ROUTES,
    *openai_chat.ROUTES,
    *openai_other.ROUTES,
    *openai_responses.ROUTES,
    *openai_videos.ROUTES,
    *partners.ROUTES,
    *predict.ROUTES,
    *registered_models.ROUTES,
    *triggers.ROUTES,
    *tuned_models.ROUTES,
    *tunings.ROUTES,
    *videos.ROUTES,
    *voices.ROUTES,
    *webhooks.ROUTES,
)
"""Those that know nothing but the call."""


def all_routes(stage: Stage) -> tuple[Route, ...]:
    """All routes: those of `ROUTES`, and those that work with what `stage` holds beside the store."""
    tokens = (*oauth.routes(stage.gate), *impersonation.routes(stage.gate))
    return (
        *ROUTES,
        *auth_tokens.routes(stage.gate.ephemeral),
        *caches.routes(has_minimum=stage.settings.cache_minimum),
        *environments.upload_routes(stage.spool),
        *file_search.upload_routes(stage.spool),
        *files.routes(stage.spool, VideoJobs(stage)),
        *openai_files.routes(stage.spool),
        *operations.routes(stage.operations, stage.settings.file_host),
        *storage.routes(stage.operations),
        *(replace(route, surface="oauth") for route in tokens),
    )
