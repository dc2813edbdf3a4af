"""`/prompts`: versions, their texts, what differs, which one serves, and what each is used for."""

import asyncio
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Depends, Path, Query, Response

from roadworthy.access import Permission
from roadworthy.app import App
from roadworthy.dashboard.pages import serving
from roadworthy.dashboard.queries.costs import DAY_MS, Asked, Ledger, day_of
from roadworthy.dashboard.queries.prompts import Registered, Use, registered
from roadworthy.dashboard.rendering import Renderer
from roadworthy.dashboard.visit import Visit, nothing_here, visits
from roadworthy.errors import PromptError
from roadworthy.monitoring import Dimension, Latency
from roadworthy.prompts import InputSpec, Version
from roadworthy.prompts import parse as parse_prompt
from roadworthy.prompts.difference import side_by_side
from roadworthy.releases import Release, prompt_subject

_DAYS = 7
_CHANGES = 10
_PLACE = re.compile(r"(\{\{.*?\}\}|\{%.*?%\})", re.DOTALL)
_NAME = re.compile(r"[A-Za-z_]\w*")
PromptId = Annotated[str, Path(max_length=200)]
Label = Annotated[str | None, Query(max_length=200)]


@dataclass(frozen=True, slots=True)
class Shown:
    """A version, from its file or from the database alone."""

    label: str
    version: Version | None
    """None when its text cannot be understood any more."""
    text: str
    content_hash: str
    share: float | None
    """Of those who ask; None when it does not serve."""
    registered: Registered | None
    has_file: bool
    use: Use

    @property
    def serves(self) -> bool:
        """Whether it is asked here."""
        return self.share is not None


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of a template: plain text, or a place where something is put in."""

    text: str
    kind: str
    """Empty for text, `fenced` where text from outside may come in, else `trusted`."""


def router(renderer: Renderer, ledger: Ledger) -> APIRouter:
    """The routes."""
    app = renderer.app
    made = APIRouter(include_in_schema=False, route_class=renderer.route_class)
    reads = visits(app, Permission.PROMPTS_READ)
    _add_prompt(made, renderer, ledger)

    @made.get("/prompts")
    async def listed(visit: Annotated[Visit, Depends(reads)]) -> Response:
        await app.releases.fresh()
        uses = await _uses(visit, ledger)
        rows = [
            {
                "prompt": prompt,
                "serves": app.version(prompt.id),
                "route": _route(app, app.version(prompt.id)),
                "use": _together(use for name, use in uses.items() if name.partition("@")[0] == prompt.id),
            }
            for prompt in app.prompts
        ]
        return await renderer.page(
            visit,
            "prompts.html",
            rows=rows,
            days=_DAYS,
            folder=app.settings.project.prompts_dir,
            **_about(visit),
        )

    return made


def _add_prompt(made: APIRouter, renderer: Renderer, ledger: Ledger) -> None:
    app = renderer.app

    async def page(
        visit: Visit,
        prompt_id: str,
        v: str | None = None,
        old: str | None = None,
        new: str | None = None,
        *,
        refused: serving.Refused | None = None,
        asked: bool = False,
    ) -> Response:
        if prompt_id not in app.prompts:
            raise nothing_here()
        on_record = await visit.read(lambda tx: registered(tx, prompt_id))
        serves = await app.promotions.serving(prompt_id)
        versions = _versions(app, serves, on_record, await _uses(visit, ledger, prompt_id))
        chosen = _of(versions, v) if v else next((one for one in versions if one.serves), versions[0])
        difference = None
        if old and new:
            texts = _of(versions, old).text, _of(versions, new).text
            difference = await asyncio.to_thread(side_by_side, *texts)
        return await renderer.page(
            visit,
            "prompt.html",
            status=refused.status if refused else 200,
            **await _serving(visit, serves, versions, refused, asked=asked),
            prompt_id=prompt_id,
            versions=versions,
            shown=chosen,
            before=_before(versions, chosen),
            route=_route(app, app.version(prompt_id)),
            models=_models(app, _route(app, app.version(prompt_id))),
            outputs=[(one.name, one.schema) for one in app.outputs(prompt_id)],
            old=old,
            new=new,
            difference=difference,
            pieces=pieces,
            days=_DAYS,
            **_about(visit),
        )

    @made.get("/prompts/{prompt_id}")
    async def one(
        visit: Annotated[Visit, Depends(visits(app, Permission.PROMPTS_READ))],
        prompt_id: PromptId,
        v: Label = None,
        old: Annotated[str | None, Query(alias="from", max_length=200)] = None,
        new: Annotated[str | None, Query(alias="to", max_length=200)] = None,
        outcomes: serving.Asked = "",
    ) -> Response:
        return await page(visit, prompt_id, v, old, new, asked=bool(outcomes))

    @made.post("/prompts/{prompt_id}/serves")
    async def change(
        visit: Annotated[Visit, Depends(visits(app, Permission.PROMPTS_PROMOTE, everywhere=True))],
        prompt_id: PromptId,
    ) -> Response:
        if prompt_id not in app.prompts:
            raise nothing_here()
        done = await serving.change(app, visit, prompt_id)
        if isinstance(done, serving.Refused):
            return await page(visit, prompt_id, refused=done)
        _, default = await app.promotions.serving(prompt_id)
        names = " and ".join(arm.name for arm in done.arms) or default.label
        said = f"{names} {'share who asks' if len(done.arms) > 1 else 'serves'} in {done.environment}."
        return visit.go(f"/prompts/{quote(prompt_id, safe='')}", said)


async def _serving(
    visit: Visit,
    serves: tuple[Release | None, Version],
    versions: Sequence[Shown],
    refused: serving.Refused | None,
    *,
    asked: bool,
) -> dict[str, Any]:
    """What the panel of what serves shows."""
    app, (release, default) = visit.app, serves
    subject = prompt_subject(default.prompt_id)
    now = serving.shares_now(release, default.label)
    changes = await app.releases.history(subject, limit=_CHANGES)
    return {
        "release": release,
        "serving": [(arm.name, arm.share) for arm in release.arms] if release else [(default.label, 1.0)],
        "changes": changes,
        "unmet": await app.promotions.unmet(changes[0]) if changes else (),
        "promotes": visit.principal.may(Permission.PROMPTS_PROMOTE),
        "needs_eval": app.promotions.needs_eval,
        "settings_say": default.label,
        **await serving.split_shown(visit, subject, asked=asked),
        "shares": refused.shares if refused and refused.shares else now,
        "share_names": serving.share_names([one.label for one in versions], now),
        "refused": refused,
    }


def _about(visit: Visit) -> dict[str, Any]:
    return {
        "environment": visit.app.settings.environment,
        "sees_costs": visit.may_somewhere(Permission.COSTS_READ),
    }


async def _uses(visit: Visit, ledger: Ledger, prompt_id: str | None = None) -> Mapping[str, Use]:
    """What versions were used for in the last days, as far as the visitor may see costs."""
    scope = visit.principal.scope(Permission.COSTS_READ)
    if not scope.pairs:
        return {}
    since_ms = day_of(visit.app.clock.now_ms() - _DAYS * DAY_MS)
    asked = Asked(since_ms, scope, by=(Dimension.PROMPT,), prompt=prompt_id)
    figures = await ledger.figures(visit, asked, exits_too=False)
    took = await ledger.latencies(visit, asked)
    nothing = Latency({})
    return {key[0]: Use(its, took.get(key, nothing)) for key, its in figures.items()}


def _together(uses: Iterable[Use]) -> Use:
    return sum(uses, Use())


def _versions(
    app: App,
    serves: tuple[Release | None, Version],
    on_record: Sequence[Registered],
    uses: Mapping[str, Use],
) -> list[Shown]:
    """Those with a file and those that were registered once, the newest label first."""
    (release, default), prompt_id = serves, serves[1].prompt_id
    shares = {arm.key: arm.share for arm in release.arms} if release is not None else {}
    shares = shares or {(default.label, default.content_hash): 1.0}
    files = {one.label: one for one in app.prompts.versions(prompt_id)}
    known = {one.label: one for one in on_record}
    labels = [*(label for label in known if label not in files), *files]
    made: list[Shown] = []
    for label in labels:
        file, record = files.get(label), known.get(label)
        text = file.text if file else record.text if record else ""
        made.append(
            Shown(
                label=label,
                version=file or _parsed(prompt_id, label, text),
                text=text,
                content_hash=file.content_hash if file else record.content_hash if record else "",
                share=shares.get(
                    (label, file.content_hash if file else record.content_hash if record else "")
                ),
                registered=record,
                has_file=file is not None,
                use=uses.get(f"{prompt_id}@{label}", Use()),
            )
        )
    return made[::-1]


def _parsed(prompt_id: str, label: str, text: str) -> Version | None:
    try:
        return parse_prompt(text, prompt_id=prompt_id, label=label)
    except PromptError:  # an older program may have understood it
        return None


def _of(versions: Sequence[Shown], label: str) -> Shown:
    for one in versions:
        if one.label == label:
            return one
    raise nothing_here()


def _before(versions: Sequence[Shown], shown: Shown) -> Shown | None:
    """The version before this one."""
    place = versions.index(shown) + 1
    return versions[place] if place < len(versions) else None


def _route(app: App, version: Version) -> str | None:
    return app.settings.route_for(version.prompt_id) or version.settings.route


def _models(app: App, route: str | None) -> Sequence[str]:
    its = app.settings.routes.get(route or "")
    return its.models if its else ()


def pieces(source: str, inputs: Mapping[str, InputSpec]) -> list[Piece]:
    """A template in pieces, so that the places where text from outside comes in can be told apart."""
    made: list[Piece] = []
    for text in _PLACE.split(source):
        if not _PLACE.fullmatch(text):
            made.append(Piece(text, ""))
            continue
        named = [inputs[name] for name in _NAME.findall(text) if name in inputs]
        made.append(Piece(text, "fenced" if any(one.carries_text for one in named) else "trusted"))
    return [one for one in made if one.text]
