"""The parts of an app, each built when it is first used, and connected: `Wiring`.

What is built is kept until `_release`; the next use builds it anew, which may be on another event loop.
"""

import logging
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, suppress
from functools import cached_property, partial
from typing import Any, cast

from roadworthy.access import Access
from roadworthy.access.openid import Provider
from roadworthy.app.catalogue import Catalogue
from roadworthy.app.joints import load_router, note, proof_of, wake_after_review
from roadworthy.app.promotions import Promotions
from roadworthy.app.rehearsal import rehearsing
from roadworthy.audit import Audit, Keyring
from roadworthy.calls import Pipeline
from roadworthy.calls.calibrated import Calibrations
from roadworthy.db import Database
from roadworthy.errors import SettingsError
from roadworthy.evals import Evals, Project
from roadworthy.evals.targets.workflow import Run as Rehearsed
from roadworthy.models import AnswerCache, Gates, Models
from roadworthy.monitoring import RollUps
from roadworthy.prompts import Prompts
from roadworthy.records import Clock, Ids, RandomIds, SystemClock
from roadworthy.releases import Exposure, Releases, prompt_subject, route_subject
from roadworthy.review import Reviews
from roadworthy.review.feedback import Feedbacks
from roadworthy.settings import Settings
from roadworthy.telemetry import Scrubber, Telemetry
from roadworthy.workflows import (
    Asked,
    Batches,
    Decider,
    Doorbell,
    Parts,
    Rehearse,
    Runs,
    Served,
    Worker,
)

_log = logging.getLogger("roadworthy")


class Wiring(Catalogue):
    """A project's parts, connected."""

    def __init__(
        self, settings: Settings, prompts: Prompts, *, clock: Clock | None = None, ids: Ids | None = None
    ) -> None:
        super().__init__(settings, prompts)
        self.clock = clock or SystemClock()
        self._ids = ids or RandomIds(self.clock)
        self._doorbell = Doorbell()
        self._functions: dict[str, Callable[..., Any]] = {}
        self._worker: Worker | None = None
        self.rehearse: Rehearse | None = None
        """What runs do in place of every action, for drills; None: they act. Set it before the app runs."""

    @cached_property
    def telemetry(self) -> Telemetry:
        """Spans, events, logs; knows every secret, so that none gets into them."""
        scrubber = Scrubber()
        for model in self.settings.models.values():
            if (secret := self.settings.secret(model)) is not None:
                scrubber.register(secret.get_secret_value())
        for name in self.settings.access.openid:
            # `config check` tells of one that is missing, and so does signing in
            with suppress(SettingsError):
                secret = self.settings.client_secret(name)
                if secret is not None:
                    scrubber.register(secret.get_secret_value())
        password = self.database.url.password
        if password:
            scrubber.register(str(password))
        return Telemetry(self.settings.telemetry, environment=self.settings.environment, scrubber=scrubber)

    @cached_property
    def database(self) -> Database:
        """The one database, as the settings name it."""
        chosen = self.settings.database
        return Database(
            chosen.url,
            durability=chosen.durability,
            pool_size=chosen.pool_size,
            busy_timeout_seconds=chosen.busy_timeout_seconds,
            connect_timeout_seconds=chosen.connect_timeout_seconds,
        )

    @cached_property
    def models(self) -> Models:
        """The models of the settings."""
        return Models(self.settings, self._functions)

    @cached_property
    def pipeline(self) -> Pipeline:
        """What makes the calls."""
        return self._pipeline_for(self.settings, self.models)

    @cached_property
    def evals(self) -> Evals:
        """The suites of the project, and their experiments."""
        return Evals(
            Project(
                settings=self.settings,
                database=self.database,
                clock=self.clock,
                ids=self._ids,
                models=self.models,
                prompts=self.prompts,
                serves=self.version,
                asked=self._asked_as,
                route=partial(self._route, workflow=None),
                pipeline=self._pipeline_for,
                rehearsing=self._rehearsing,
                evaluators=self.evaluators,
                scrub=self._scrub,
            )
        )

    def _pipeline_for(self, settings: Settings, models: Models) -> Pipeline:
        """A pipeline that calls by other settings."""
        return Pipeline(
            settings=settings,
            models=models,
            gates=self.gates,
            cache=self.answers,
            database=self.database,
            telemetry=self.telemetry,
            clock=self.clock,
            ids=self._ids,
            load_router=partial(load_router, settings, models),
        )

    def _rehearsing(self, settings: Settings, models: Models) -> AbstractAsyncContextManager[Rehearsed]:
        return rehearsing(cast("Any", self), settings, models)

    @cached_property
    def gates(self) -> Gates:
        """Which models may be asked just now: breakers, paces, open requests."""
        return Gates(
            clock=self.clock,
            telemetry=self.telemetry,
            database=self.database,
            environment=self.settings.environment,
            process=self._ids.new("process"),
        )

    @cached_property
    def releases(self) -> Releases:
        """Which versions, routes and values of flags serve whom."""
        return Releases(
            self.database,
            self.clock,
            self._ids,
            self.settings.environment,
            audit=self.audit,
            loaded=self.take_releases,
        )

    @cached_property
    def promotions(self) -> Promotions:
        """Let versions of prompts serve."""
        proof = proof_of(lambda: self.evals)
        return Promotions(self, self.releases, self.database, self.clock, self.audit, proof)

    async def serve(
        self, prompt_id: str, workflow: str | None, key: str, asked: Asked | None = None
    ) -> Served:
        """What serves a call for a key. One that waited keeps the version that was `asked`."""
        await self.releases.fresh()
        exposures: list[Exposure] = []
        if asked is None:
            drawn = self.releases.assign(prompt_subject(prompt_id), key)
            if drawn is None:
                version = self.default_version(prompt_id)
            else:
                version = self.version_of(prompt_id, drawn.name, drawn.content_hash)
                exposures += [drawn.exposure] if drawn.exposure is not None else []
        else:
            if asked["content_hash"] not in {one.content_hash for one in self.prompts.versions(prompt_id)}:
                await self.database.read(lambda tx: self.take_text(tx, prompt_id, **asked))
            version = self.version_of(prompt_id, **asked)
        route = self.switched(self._route(prompt_id, workflow, version), key, exposures)
        return Served(version, route, tuple(exposures))

    def switched(self, route: str, key: str, exposures: list[Exposure]) -> str:
        """The route that takes a route's place for a key; what was drawn is added to `exposures`."""
        drawn = self.releases.assign(route_subject(route), key)
        if drawn is None:
            return route
        if drawn.name not in self.settings.routes:
            _log.warning("route %r is switched to %r, which is not in the settings", route, drawn.name)
            return route
        exposures += [drawn.exposure] if drawn.exposure is not None else []
        return drawn.name

    @cached_property
    def answers(self) -> AnswerCache:
        """Answers that are given again."""
        return AnswerCache(self.database, self.clock)

    @cached_property
    def runs(self) -> Runs:
        """Start, find, cancel, resume and replay runs."""
        return Runs(self._parts, self._workflows, self._doorbell)

    @cached_property
    def batches(self) -> Batches:
        """Runs over the lines of a file."""
        return Batches(self._parts, self.runs, self._doorbell)

    @cached_property
    def reviews(self) -> Reviews:
        """What waits for a person, and the answers that people give."""

        def ring(run_id: str) -> None:
            self._doorbell.ring(f"signal:{run_id}")
            self._doorbell.work.set()

        return Reviews(
            self.database,
            self.clock,
            self._ids,
            self.settings.environment,
            wake=wake_after_review,
            ring=ring,
            telemetry=self.telemetry,
            audit=self.audit,
            workflows=self.settings.workflows,
            learnt=Calibrations(self.settings),
        )

    @cached_property
    def rollups(self) -> RollUps:
        """What the calls of each hour come to, for reports."""
        return RollUps(self.database, self.clock)

    @cached_property
    def audit(self) -> Audit:
        """Who did what."""
        return Audit(
            self.database,
            self.clock,
            self._ids,
            self.settings.environment,
            keyring=self._keyring,
            scrub=self._scrub,
            seal_after_seconds=self.settings.audit.seal_after_seconds,
        )

    @cached_property
    def access(self) -> Access:
        """Who somebody is, and what they may do."""
        providers = {
            name: Provider(
                name,
                its,
                address=self.address,
                secret=partial(self.settings.client_secret, name),
                clock=self.clock,
            )
            for name, its in self.settings.access.openid.items()
        }
        noted = partial(note, self.audit)
        return Access(self.database, self.clock, self._ids, self.settings.access, noted, providers)

    @cached_property
    def feedback(self) -> Feedbacks:
        """What end users say of outputs; `await app.feedback.link(answer.call_id)` lets them."""
        return Feedbacks(
            self.database,
            self.clock,
            self._ids,
            self.settings.environment,
            audit=self.audit,
            address=self.address,
        )

    @property
    def address(self) -> str:
        """Where people reach the service, without a slash at its end."""
        service = self.settings.service
        return (service.public_url or f"http://{service.host}:{service.port}").rstrip("/")

    @cached_property
    def _decider(self) -> Decider:
        return Decider(lambda: self.reviews, self._output_of)

    @cached_property
    def _parts(self) -> Parts:
        return Parts(
            self.settings,
            self.database,
            self.clock,
            self._ids,
            self.telemetry,
            self.audit,
            rehearse=self.rehearse,
        )

    @property
    def doorbell(self) -> Doorbell:
        """Wakes what waits in this process."""
        return self._doorbell

    @property
    def ids(self) -> Ids:
        """Where ids come from."""
        return self._ids

    @property
    def worker_id(self) -> str | None:
        """The worker in this process; None when there is none."""
        return None if self._worker is None else self._worker.id

    def _scrub(self, text: str) -> str:
        return self.telemetry.scrubber.scrub(text)

    def _keyring(self) -> Keyring:
        current, old = self.settings.audit_keys()
        for key in (*old, *([current] if current is not None else [])):
            self.telemetry.scrubber.register(key.get_secret_value())
        return Keyring.of(current, old)

    async def _release(self) -> None:
        """Close every part that was built, and forget it."""
        built = self.__dict__
        if "access" in built:
            await self.access.close()
        if "releases" in built:
            await self.releases.close()
        if "pipeline" in built:
            await self.pipeline.close()
        if "gates" in built:
            await self.gates.close()
        if "models" in built:
            await self.models.close()
        self.telemetry.close()
        self.database.close()
        for name, part in vars(Wiring).items():
            if isinstance(part, cached_property):
                built.pop(name, None)
        self._doorbell = Doorbell()  # the next use may be on another event loop
