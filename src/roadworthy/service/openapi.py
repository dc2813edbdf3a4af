"""The OpenAPI document: FastAPI's, with our problems, security schemes and names."""

import json
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute

import roadworthy
from roadworthy.access import Permission
from roadworthy.service.gateway import document as gateway
from roadworthy.service.principal import COOKIE, CSRF_HEADER, needs
from roadworthy.service.problem import Problem

if TYPE_CHECKING:
    from roadworthy.app import App

_ABOUT = """Start and follow runs, see what they cost, and decide what waits for a person.

Errors are problem details (RFC 9457); `code` says which kind. What a key may not see reads like what does
not exist. Lists are read page by page with `after`, never counted. `x-permission` of an operation says what
it takes.
"""
_SCHEMES = {
    "key": {"type": "http", "scheme": "bearer", "description": "A key: `Authorization: Bearer rw_...`."},
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": COOKIE,
        "description": f"Somebody who signed in. Unsafe methods take the header `{CSRF_HEADER}` as well.",
    },
}


class Api(FastAPI):
    """The API of a project."""

    def __init__(self, app: "App") -> None:
        super().__init__(
            title=app.settings.project.name,
            description=_ABOUT,
            version=roadworthy.__version__,
            docs_url=None,
            redoc_url=None,
            openapi_url=None,
            redirect_slashes=False,
            generate_unique_id_function=_name,
        )
        self.state.access = app.access

    def openapi(self) -> dict[str, Any]:
        """The document, made once."""
        if self.openapi_schema is None:
            made = get_openapi(
                title=self.title, version=self.version, description=self.description, routes=self.routes
            )
            parts = made.setdefault("components", {})
            parts["securitySchemes"] = _SCHEMES
            its = parts.setdefault("schemas", {})
            its["Problem"] = Problem.model_json_schema(mode="serialization")
            its |= gateway.schemas()
            self.openapi_schema = made
        return self.openapi_schema

    def document(self) -> str:
        """The document as text."""
        return json.dumps(self.openapi(), indent=2)


def router(api: Api, *, public: bool) -> APIRouter:
    """The route."""
    made = APIRouter()
    reads = needs(Permission.RUNS_READ)

    @made.get("/openapi.json", include_in_schema=False)
    async def openapi(request: Request) -> Response:
        if not public:
            await reads(request)
        return Response(api.document(), media_type="application/json")

    return made


def _name(route: APIRoute) -> str:
    """An operation's id, for example `runs_start`."""
    tag = str(route.tags[0]) if route.tags else "service"
    return f"{tag}_{route.name}"
