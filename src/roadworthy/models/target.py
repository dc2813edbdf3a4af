"""The models of a project, ready to be asked.

`Models` is built from the settings and hands out a `Target` for each name and a tuple of them for each
route. A target's provider is built in a thread when it is first asked (importing a provider's library takes
seconds), once for each event loop, because connections belong to a loop. `max_concurrency` holds for each
loop too.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from copy import copy
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

from pydantic import SecretStr

from roadworthy.errors import ErrorKind, NotFound, ProviderError, did_you_mean
from roadworthy.models.aliases import floating_warning
from roadworthy.models.fair import FairSlots, NoFreeSlot
from roadworthy.models.outside import check_outside
from roadworthy.models.provider import Blueprint, Provider, Request, Response, Shared
from roadworthy.models.provider_batch import BatchProvider
from roadworthy.models.providers import make_provider
from roadworthy.models.providers.batches import BATCH_PROVIDERS, make_batch_provider
from roadworthy.settings import ModelSettings, Settings

_Loop = asyncio.AbstractEventLoop
_LEAST_SECONDS = 0.001


@dataclass(slots=True)
class _Bound:
    """What one event loop has of a target."""

    slots: FairSlots
    building: asyncio.Lock = field(default_factory=asyncio.Lock)
    provider: Provider | None = None
    batches: BatchProvider | None = None


class Target:
    """One model of the project, under its name in the settings."""

    __slots__ = ("_blueprint", "_bound", "_secret", "name")

    def __init__(self, blueprint: Blueprint, secret: Callable[[], SecretStr | None]) -> None:
        self.name = blueprint.name
        self._blueprint = blueprint
        self._secret = secret
        self._bound: WeakKeyDictionary[_Loop, _Bound] = WeakKeyDictionary()

    @property
    def blueprint(self) -> Blueprint:
        """What its provider is built from."""
        return self._blueprint

    @property
    def settings(self) -> ModelSettings:
        """The model's section of the settings."""
        return self._blueprint.settings

    @property
    def provider(self) -> str:
        """Who serves it."""
        return self.settings.provider

    @property
    def model(self) -> str:
        """The provider's name of the model; what else identifies it where there is none."""
        return self.settings.model or self.settings.function or self.settings.path or ""

    @property
    def region(self) -> str | None:
        """Where the provider computes."""
        return self.settings.region

    def __repr__(self) -> str:
        return f"Target({self.name!r}, {self.provider}:{self.model})"

    async def prepare(self) -> None:
        """Build the provider now, so that the first request does not wait for it.

        Raises:
            ProviderError: `NOT_CONFIGURED`, when a key, file or package is missing.
        """
        await self._provider()

    async def request(self, request: Request, tenant: str = "") -> Response:
        """Ask the model once, within its time and its number of requests at a time.

        Where requests have to wait for each other, tenants take turns.

        Raises:
            ProviderError: by kind.
        """
        check_outside(self.name, self.settings)
        provider = await self._provider()
        seconds = min(request.timeout_seconds, self.settings.timeout_seconds)
        slots = self._here().slots
        waited = 0.0
        if not slots.take():
            started = time.monotonic()
            try:
                await slots.acquire(tenant, seconds)
            except TimeoutError:
                raise self._no_slot(seconds) from None
            waited = time.monotonic() - started
        try:
            left = max(seconds - waited, _LEAST_SECONDS)
            return await provider.request(
                request if left == request.timeout_seconds else replace(request, timeout_seconds=left)
            )
        finally:
            slots.release()

    async def batch(self) -> BatchProvider | None:
        """The provider's batch API for this model; None when it has none. The target closes it.

        Raises:
            ProviderError: `NOT_CONFIGURED`, when a key or package is missing.
        """
        if self.provider not in BATCH_PROVIDERS:
            return None
        check_outside(self.name, self.settings)
        bound = self._here()
        async with bound.building:
            if bound.batches is None:
                bound.batches = await asyncio.to_thread(self._build_batches)
        return bound.batches

    async def close(self) -> None:
        """Close the connections of every event loop that still runs."""
        here = asyncio.get_running_loop()
        bound, self._bound = list(self._bound.items()), WeakKeyDictionary()
        for loop, its in bound:
            for part in (its.provider, its.batches):
                if part is None:
                    continue
                if loop is here:
                    await part.close()
                elif loop.is_running():
                    await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(part.close(), loop))

    def _here(self) -> _Bound:
        loop = asyncio.get_running_loop()
        bound = self._bound.get(loop)
        if bound is None:
            bound = self._bound[loop] = _Bound(FairSlots(self.settings.max_concurrency))
        return bound

    async def _provider(self) -> Provider:
        bound = self._here()
        if bound.provider is None:
            async with bound.building:
                if bound.provider is None:
                    bound.provider = await asyncio.to_thread(self._build)
        return bound.provider

    def _build(self) -> Provider:
        """Blocks: reads the key's file, imports libraries, loads model files."""
        return make_provider(replace(self._blueprint, secret=self._secret()))

    def _build_batches(self) -> BatchProvider | None:
        """Blocks: reads the key's file, imports libraries."""
        return make_batch_provider(replace(self._blueprint, secret=self._secret()))

    def _no_slot(self, seconds: float) -> ProviderError:
        return NoFreeSlot(
            f"Model {self.name!r} had no free slot for {seconds:g} seconds; nothing was sent.",
            kind=ErrorKind.TIMEOUT,
            hint=f"Raise models.{self.name}.max_concurrency, or send less at a time.",
        )


class Models:
    """All models and routes of the settings.

    `functions` are the project's functions by `module:function`, for the `python` provider.
    """

    def __init__(self, settings: Settings, functions: Mapping[str, Callable[..., Any]] | None = None) -> None:
        self._shared = Shared()
        self._targets = {
            name: Target(
                Blueprint(
                    name=name,
                    settings=model,
                    root=settings.root,
                    functions=functions or {},
                    shared=self._shared,
                ),
                partial(settings.secret, model),
            )
            for name, model in settings.models.items()
        }
        self._routes = {name: tuple(route.models) for name, route in settings.routes.items()}

    def target(self, name: str) -> Target:
        """The model of that name.

        Raises:
            NotFound: the settings have no such model.
        """
        if name not in self._targets:
            raise NotFound(f"There is no model {name!r}.", hint=did_you_mean(name, self._targets))
        return self._targets[name]

    def route(self, name: str) -> tuple[Target, ...]:
        """The models of that route, in the order in which they are asked.

        Raises:
            NotFound: the settings have no such route, or it names a model that they have not.
        """
        if name not in self._routes:
            raise NotFound(f"There is no route {name!r}.", hint=did_you_mean(name, self._routes))
        return tuple(self.target(model) for model in self._routes[name])

    def by_routes(self, routes: Mapping[str, Sequence[str]]) -> "Models":
        """The same models by other routes; whoever closes them closes both."""
        made = copy(self)
        made._routes = {name: tuple(models) for name, models in routes.items()}  # noqa: SLF001 - our own
        return made

    def each(self, around: Callable[[Target], Target]) -> "Models":
        """The same routes to other targets, each made from one of these; they are closed with these."""
        made = copy(self)
        made._targets = {name: around(target) for name, target in self._targets.items()}  # noqa: SLF001 - our own
        return made

    async def prepare(self) -> None:
        """Build the clients of what the routes ask first, so that no call waits for it. Failures wait too.

        Models of this process (`local`, `python`) are left until they are asked: they take up memory.
        """
        first = {
            targets[0] for names in self._routes.values() if (targets := [self.target(n) for n in names])
        }
        for target in sorted(first, key=lambda one: one.name):
            if target.provider not in ("local", "python"):
                with suppress(ProviderError):  # whoever asks the model is told
                    await target.prepare()

    def warnings(self) -> list[str]:
        """What is allowed and unwise: names that let the provider change the model."""
        found = (
            floating_warning(name, its.provider, its.settings.model) for name, its in self._targets.items()
        )
        return [warning for warning in found if warning is not None]

    async def close(self) -> None:
        """Close all connections and unload local models."""
        for target in self._targets.values():
            await target.close()
        await asyncio.to_thread(self._shared.close)
