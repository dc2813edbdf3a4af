"""Every page, gathered: what the service is handed."""

from collections.abc import Sequence

from fastapi import APIRouter

from roadworthy.dashboard.pages import (
    access,
    audit,
    costs,
    overview,
    prompts,
    review,
    reviews,
    run,
    runs,
    settings,
)
from roadworthy.dashboard.rendering import Renderer
from roadworthy.dashboard.static_files import StaticFiles
from roadworthy.service import Parts

_PAGES = (overview, runs, run, reviews, review, costs, prompts, audit, settings, access)


def routers(parts: Parts) -> Sequence[APIRouter]:
    """The routes of all pages, of their style sheet and their modules."""
    static = StaticFiles()
    renderer = Renderer(parts.app, static)
    return [static.router(), *(page.router(renderer) for page in _PAGES)]
