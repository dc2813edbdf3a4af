"""Promoting prompts: which version is meant, and whether it may serve. `app.promotions`.

    promote / split     the versions, then the gate, then the change
    rollback / clear    what served before, or what the settings say
    split_route, set_flag, clear_flag    routes and flags, which no evaluation holds back

The gate asks, outside of development: is it one of the `approvers` who asks; does each version that does not
serve already take what code passes to the one that does; and did an evaluation of exactly the combination
that would serve pass (`[releases] require_eval` says where). An override passes it, with a reason.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass

import sqlalchemy as sa

from roadworthy.app.approvers import require_approver
from roadworthy.app.catalogue import Catalogue
from roadworthy.audit import Action, Audit, Outcome, current_actor
from roadworthy.db import Database
from roadworthy.errors import Forbidden, InputsDiffer, InvalidInput, NotEvaluated, NotFound, did_you_mean
from roadworthy.prompts import Version, parse, unmet
from roadworthy.prompts import store as prompt_store
from roadworthy.records import Clock, Json
from roadworthy.releases import (
    SLOTS,
    Arm,
    Change,
    ChangeKind,
    Evidence,
    Release,
    Releases,
    flag_subject,
    prompt_subject,
    route_subject,
)

DEVELOPMENT = "development"
PASS = "pass"  # noqa: S105 - a verdict


@dataclass(frozen=True, slots=True)
class Proof:
    """How it is known that a version is good enough."""

    evidence: Callable[[Version], Evidence | None]
    """The newest evaluation of exactly this version as it would serve; may take a while."""
    missing: Callable[[Version], tuple[str, ...]]
    """The suites of its prompt, by name, that did not pass it as it would serve; may take a while."""


class Promotions:
    """Lets versions of prompts serve, in one environment."""

    def __init__(
        self,
        catalogue: Catalogue,
        releases: Releases,
        database: Database,
        clock: Clock,
        audit: Audit,
        proof: Proof,
    ) -> None:
        self._catalogue = catalogue
        self._releases = releases
        self._database = database
        self._clock = clock
        self._audit = audit
        self._proof = proof

    @property
    def needs_eval(self) -> bool:
        """Whether a version without a passing evaluation is refused."""
        said = self._catalogue.settings.releases.require_eval
        return self._releases.environment != DEVELOPMENT if said is None else said

    async def serving(self, prompt_id: str) -> tuple[Release | None, Version]:
        """The release of a prompt, and the version that the settings name. Raises `NotFound`."""
        default = self._catalogue.default_version(prompt_id)
        return await self._releases.now(prompt_subject(prompt_id)), default

    async def promote(
        self,
        prompt_id: str,
        label: str,
        *,
        expect: int | None = None,
        reason: str = "",
        override: bool = False,
    ) -> Change:
        """Let a version serve everybody.

        Raises:
            NotFound: There is no such prompt or version.
            Forbidden: The settings name approvers, and this is none of them.
            InputsDiffer: It does not take what code passes to the version that serves.
            NotEvaluated: No evaluation of it passed. An override passes all three.
            StateConflict: Something else serves by now than at revision `expect`, or than was looked at.
        """
        version = await self._version(prompt_id, label)
        release, default = await self.serving(prompt_id)
        evidence = await self._passed(release, default, [version], reason=reason, override=override)
        return await self._releases.promote(
            prompt_subject(prompt_id),
            _arm(version),
            Action.PROMPT_PROMOTED,
            default=[_arm(default)],
            expect=_looked_at(release) if expect is None else expect,
            kind=ChangeKind.OVERRIDE if override else ChangeKind.PROMOTE,
            reason=reason,
            evidence=evidence,
            also=self._keep(version, default),
        )

    async def split(
        self,
        prompt_id: str,
        slots: Mapping[str, int],
        *,
        expect: int | None = None,
        reason: str = "",
        override: bool = False,
    ) -> Change:
        """Let several versions share who asks: so many of the 10,000 slots each, by label.

        Raises what `promote` does.
        """
        versions = [await self._version(prompt_id, label) for label, share in slots.items() if share]
        release, default = await self.serving(prompt_id)
        evidence = await self._passed(release, default, versions, reason=reason, override=override)
        return await self._releases.split(
            prompt_subject(prompt_id),
            {_arm(version).key: slots[version.label] for version in versions},
            default=[_arm(default)],
            expect=_looked_at(release) if expect is None else expect,
            override=override,
            reason=reason,
            evidence=evidence,
            also=self._keep(*versions, default),
        )

    async def rollback(self, prompt_id: str, *, expect: int | None = None, reason: str = "") -> Change:
        """Let the version that served everybody before serve again; once more goes back further.

        It passes no gate. Raises `NotFound` when nothing else served before, `StateConflict`.
        """
        subject = prompt_subject(prompt_id)
        expect = await self._revision(subject) if expect is None else expect
        return await self._releases.rollback(subject, Action.PROMPT_ROLLED_BACK, expect=expect, reason=reason)

    async def clear(
        self, prompt_id: str, *, expect: int | None = None, reason: str = "", override: bool = False
    ) -> Change:
        """Let the settings say again which version serves. Raises what `promote` does."""
        release, default = await self.serving(prompt_id)
        await self._passed(release, default, [default], reason=reason, override=override)
        subject, arms = prompt_subject(prompt_id), [_arm(default)]
        return await self._releases.clear(
            subject,
            Action.PROMPT_PROMOTED,
            default=arms,
            expect=_looked_at(release) if expect is None else expect,
            reason=reason,
        )

    async def unmet(self, change: Change) -> tuple[str, ...]:
        """Why calls that fit what served before a change may fail since, where no gate was asked."""
        prompt_id = change.subject.partition(":")[2]

        def look(tx: sa.Connection) -> list[list[Version]]:
            return [_texts(tx, prompt_id, arms) for arms in (change.before, change.arms)]

        before, after = await self._database.read(look)
        return _unmet(before, after)

    async def split_route(
        self, route: str, slots: Mapping[str, int], *, expect: int | None = None, reason: str = ""
    ) -> Change:
        """Let routes share who asks for a route; the route's own name alone undoes it.

        Raises `NotFound` for a route that the settings do not have, `StateConflict`.
        """
        known = self._catalogue.settings.routes
        for name in (route, *slots):
            if name not in known:
                raise NotFound(f"There is no route {name!r}.", hint=did_you_mean(name, known))
        subject = route_subject(route)
        expect = await self._revision(subject) if expect is None else expect
        if dict(slots) == {route: SLOTS}:
            return await self._releases.clear(
                subject, Action.SPLIT_CHANGED, default=[Arm(route)], expect=expect, reason=reason
            )
        return await self._releases.split(
            subject,
            {(name, ""): share for name, share in slots.items()},
            default=[Arm(route)],
            expect=expect,
            reason=reason,
        )

    async def set_flag(
        self, flag: str, slots: Mapping[str, int], *, expect: int | None = None, reason: str = ""
    ) -> Change:
        """Let a flag be one value, or several by share. Raises `InvalidInput`, `StateConflict`."""
        subject = flag_subject(flag)
        return await self._releases.split(
            subject,
            {(value, ""): share for value, share in slots.items()},
            action=Action.FLAG_CHANGED,
            expect=await self._revision(subject) if expect is None else expect,
            reason=reason,
        )

    async def clear_flag(self, flag: str, *, expect: int | None = None, reason: str = "") -> Change:
        """Let the code say what a flag is. Raises `NotFound` when it does already, `StateConflict`."""
        subject = flag_subject(flag)
        expect = await self._revision(subject) if expect is None else expect
        return await self._releases.clear(subject, Action.FLAG_CHANGED, expect=expect, reason=reason)

    async def _revision(self, subject: str) -> int:
        """What is looked at when nobody says what they looked at."""
        return _looked_at(await self._releases.now(subject))

    async def _version(self, prompt_id: str, label: str) -> Version:
        """The version of that label: its file's, else the one that was registered under it."""
        files = {version.label: version for version in self._catalogue.prompts.versions(prompt_id)}
        if label in files:
            return files[label]
        stored = await self._database.read(lambda tx: _registered(tx, prompt_id))
        if label not in stored:
            hint = did_you_mean(label, [*files, *stored])
            raise NotFound(f"Prompt {prompt_id!r} has no version {label!r}.", hint=hint)
        return parse(stored[label], prompt_id=prompt_id, label=label)

    def _keep(self, *versions: Version) -> Callable[[sa.Connection], None]:
        now_ms = self._clock.now_ms()
        return lambda tx: prompt_store.keep_texts(tx, versions, now_ms)

    async def _passed(
        self,
        release: Release | None,
        default: Version,
        versions: list[Version],
        *,
        reason: str,
        override: bool,
    ) -> dict[str, Json] | None:
        """The evidence for versions that do not serve yet, by label; None where nothing was asked for."""
        if override and not reason.strip():
            raise InvalidInput("An override needs a reason.", hint="Say why: --reason '...'")
        arms = release.arms if release is not None else (_arm(default),)
        serving = {arm.content_hash for arm in arms}
        asked = [one for one in versions if one.content_hash not in serving]
        if self._releases.environment != DEVELOPMENT and not override:
            await self._allowed(default.prompt_id, arms, default, asked)
        if not asked or not self.needs_eval:
            return None
        found: dict[str, Json] = {}
        for version in asked:
            its = await asyncio.to_thread(self._proof.evidence, version)
            passed = its is not None and its.verdict == PASS
            if not passed and not override:
                await self._refuse(version, its)
            found[version.label] = asdict(its) if its is not None else None
        return found

    async def _allowed(
        self, prompt_id: str, arms: Sequence[Arm], default: Version, asked: Sequence[Version]
    ) -> None:
        """Refuse who is no approver, and versions that calls of those that serve may not fit."""
        actor = current_actor()

        def look(tx: sa.Connection) -> list[Version]:
            require_approver(tx, self._catalogue.settings, prompt_id, actor)
            return _texts(tx, prompt_id, arms)

        labels: list[Json] = [one.label for one in asked]
        try:
            serving = await self._database.read(look)
        except Forbidden:
            await self._refused(prompt_id, {"labels": labels, "approver": False})
            raise
        found = _unmet(serving or [default], asked)
        if found:
            await self._refused(prompt_id, {"labels": labels, "inputs": list(found)})
            raise InputsDiffer(
                f"Calls that fit what serves of {prompt_id!r} may fail: {' '.join(found)}",
                hint="Let new inputs be optional until code passes them, and keep old ones while it does; "
                "where it is ready, let an owner override it with a reason.",
            )

    async def _refused(self, prompt_id: str, detail: dict[str, Json]) -> None:
        subject = prompt_subject(prompt_id)
        await self._audit.record(Action.PROMPT_PROMOTED, subject, outcome=Outcome.REFUSED, detail=detail)

    async def _refuse(self, version: Version, found: Evidence | None) -> None:
        verdict = found.verdict if found is not None else "none"
        await self._refused(version.prompt_id, {"label": version.label, "evaluation": verdict})
        environment = self._releases.environment
        suites = await asyncio.to_thread(self._proof.missing, version)
        commands = [
            f"roadworthy eval {name} --on {version.label} --environment {environment}" for name in suites
        ]
        if commands:
            hint = f"Run: {'; '.join(commands)}"
        else:
            hint = f"Write a suite for it: evals/{version.prompt_id}/suite.toml"
        raise NotEvaluated(
            f"{version.name} has no passing evaluation as it would serve in {environment!r}"
            f"{f' (the newest says {verdict})' if found is not None else ''}.",
            hint=f"{hint}, or let an owner override it with a reason.",
            details={"version": version.name, "suites": list(suites), "commands": commands},
        )


def _arm(version: Version) -> Arm:
    return Arm(version.label, version.content_hash)


def _looked_at(release: Release | None) -> int:
    return release.revision if release is not None else 0


def _texts(tx: sa.Connection, prompt_id: str, arms: Sequence[Arm]) -> list[Version]:
    """The versions of arms, as far as their texts were registered."""
    stored = [(arm.name, prompt_store.by_hash(tx, arm.content_hash)) for arm in arms]
    return [parse(one.text, prompt_id=prompt_id, label=label) for label, one in stored if one is not None]


def _unmet(serving: Sequence[Version], candidates: Sequence[Version]) -> tuple[str, ...]:
    """What calls of the versions that serve may not fit, each said once, with the candidate's name."""
    found = (
        f"{candidate.name}: {said[0].lower()}{said[1:]}"
        for candidate in candidates
        for one in serving
        for said in unmet(one, candidate)
    )
    return tuple(dict.fromkeys(found))


def _registered(tx: sa.Connection, prompt_id: str) -> dict[str, str]:
    """Texts of a prompt that were registered, by label."""
    found: dict[str, str] = {}
    for one in prompt_store.labels(tx, prompt_id):
        stored = prompt_store.by_hash(tx, one.content_hash)
        if stored is not None:
            found[one.label] = stored.text
    return found
