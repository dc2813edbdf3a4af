"""Every page, gathered: what the service is handed."""

from collections.abc import Sequence

from fastapi import APIRouter

from roadworthy.dashboard.pages import (
    access,
    audit,
    costs,
    evaluations,
    flags,
    overview,
    prompts,
    review,
    reviews,
    run,
    runs,
    settings,
)
from roadworthy.dashboard.queries.costs import Ledger
from roadworthy.dashboard.rendering import Renderer
from roadworthy.dashboard.static_files import StaticFiles
from roadworthy.service import Parts


def routers(parts: Parts) -> Sequence[APIRouter]:
    """The routes of all pages, of their style sheet and their modules."""
    static = StaticFiles()
    renderer = Renderer(parts.app, static)
    ledger = Ledger(parts.app)
    pages = (runs, run, reviews, review, evaluations, flags, audit, access)
    return [
        static.router(),
        overview.router(renderer, parts.health, ledger),
        costs.router(renderer, ledger),
        prompts.router(renderer, ledger),
        settings.router(renderer, parts.health),
        *(page.router(renderer) for page in pages),
    ]
