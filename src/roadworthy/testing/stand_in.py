"""Has an app ask something else than its models, for as long as a block lasts.

`StandIns` are the models of an app with some of them replaced; `asking` puts them into the app and takes
them out again. Functions of the project (`provider = "python"`) are never replaced: they are what is tested.
"""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from typing_extensions import override

from roadworthy.models import Models, Provider, Request, Response, Target
from roadworthy.models.provider import Blueprint, Shared
from roadworthy.settings import Settings

if TYPE_CHECKING:
    from roadworthy.app import App


class StandIn(Target):
    """A model under its own name and settings, whose requests go to a provider that was given, not built."""

    __slots__ = ("_given",)

    def __init__(self, name: str, settings: Settings, given: Provider) -> None:
        section = settings.models[name]
        blueprint = Blueprint(name=name, settings=section, root=settings.root, functions={}, shared=Shared())
        super().__init__(blueprint, lambda: None)
        self._given = given

    @override
    async def prepare(self) -> None:
        """Nothing to build."""

    @override
    async def request(self, request: Request, tenant: str = "") -> Response:
        del tenant
        return await self._given.request(request)

    @override
    async def batch(self) -> None:
        """What was given has no batches: all its requests are live ones."""

    @override
    async def close(self) -> None:
        """What was given is closed by its owner."""


class StandIns(Models):
    """The models of an app, some of them replaced. Closing them closes the app's models too."""

    def __init__(self, models: Models, settings: Settings, replaced: Mapping[str, Target]) -> None:
        super().__init__(settings)
        self._models = models
        self._targets = {name: replaced.get(name) or models.target(name) for name in settings.models}

    @override
    async def close(self) -> None:
        await super().close()
        await self._models.close()


def replaceable(settings: Settings) -> list[str]:
    """The names of all models but functions of the project."""
    return [name for name, model in settings.models.items() if model.provider != "python"]


@contextmanager
def asking(app: "App", replaced: Mapping[str, Target]) -> Generator[None]:
    """Have the app's calls go to these targets until the block ends, or until the app is stopped."""
    models = app.models
    stand_ins = StandIns(models, app.settings, replaced)
    _put(app, stand_ins)
    try:
        yield
    finally:
        if vars(app).get("models") is stand_ins:  # else the app was stopped, and has dropped them
            _put(app, models)


def _put(app: "App", models: Models) -> None:
    app.models = models
    vars(app).pop("pipeline", None)  # it keeps the models that it was made with
