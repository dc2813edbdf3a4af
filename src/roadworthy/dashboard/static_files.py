"""The style sheet and the modules, read once. A hash of them all is in their address: browsers keep them."""

import hashlib
from importlib.resources import files
from mimetypes import guess_type

from fastapi import APIRouter, Response
from starlette.responses import RedirectResponse

from roadworthy.errors import NotFound

_HASH_CHARS = 12
_FOREVER = "public, max-age=31536000, immutable"


class StaticFiles:
    """What lies in `static/`, in memory."""

    def __init__(self) -> None:
        folder = files("roadworthy.dashboard") / "static"
        self._files = {one.name: one.read_bytes() for one in folder.iterdir() if one.is_file()}
        whole = hashlib.sha256()
        for name in sorted(self._files):
            whole.update(name.encode() + b"\0" + self._files[name])
        self._hash = whole.hexdigest()[:_HASH_CHARS]

    def address(self, name: str) -> str:
        """Where a file is served."""
        if name not in self._files:
            message = f"There is no static file {name!r}."
            raise KeyError(message)
        return f"/static/{self._hash}/{name}"

    def router(self) -> APIRouter:
        """The route. Files of another version are not found: a page names its own."""
        made = APIRouter(include_in_schema=False)

        @made.get("/static/{version}/{name}")
        async def static(version: str, name: str) -> Response:
            content = self._files.get(name)
            if content is None or version != self._hash:
                raise NotFound("There is no such file.")
            kind = guess_type(name)[0] or "application/octet-stream"
            return Response(content, media_type=kind, headers={"cache-control": _FOREVER})

        @made.get("/static/{name}")
        async def newest(name: str) -> Response:
            """For pages that do not know which version this is."""
            if name not in self._files:
                raise NotFound("There is no such file.")
            return RedirectResponse(self.address(name), 307)

        return made
