"""The routes of all API families."""

from typing import Final

from ..routing import Route
from . import generate, models, videos

ROUTES: Final[tuple[Route, ...]] = (*generate.ROUTES, *models.ROUTES, *videos.ROUTES)
