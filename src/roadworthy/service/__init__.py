"""The HTTP service: a JSON API over the app, with its own edge (limits, identities, problems, health)."""

from roadworthy.service.asgi import Parts, Service
from roadworthy.service.frame import Watch
from roadworthy.service.server import Server

__all__ = ["Parts", "Server", "Service", "Watch"]
