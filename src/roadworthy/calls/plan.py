"""Which models are asked for one call, and in which order: `Planner.plan`.

    rules        the route's rules on metadata may name other models
    learned      a trained router may say that the first model answers well enough, or does not
    residency    models outside the regions that the data may go to are left out
    context      models that cannot read so long a request are left out

What is left out is noted with its reason. Where nothing is left, that is an error before anything is sent.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from roadworthy.calls.call import Call, Progress, Skip
from roadworthy.calls.conversation import Conversation
from roadworthy.errors import ErrorKind, InvalidInput, NotPermitted
from roadworthy.models import LearnedRouter, Message, Models, Target, allowed, likely_tokens, text_of
from roadworthy.settings import RouteRuleSettings, RouteSettings, Settings

LoadRouter = Callable[[str, RouteSettings], tuple[LearnedRouter, bool]]
"""Reads the trained router of a route, and says whether what it learned still holds."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The models of one call."""

    route: str
    settings: RouteSettings
    targets: tuple[Target, ...]
    """In the order in which they are asked; never empty."""
    tags: tuple[str, ...]
    """Kinds of data in the call."""


class Planner:
    """Makes plans. One for a project."""

    def __init__(
        self,
        *,
        settings: Settings,
        models: Models,
        load_router: LoadRouter,
    ) -> None:
        self._settings = settings
        self._models = models
        self._load_router = load_router
        self._routers: dict[str, tuple[LearnedRouter, bool]] = {}

    def plan(
        self, call: Call[Any], messages: Sequence[Message], progress: Progress, *, route: str | None = None
    ) -> Plan:
        """The models for this call.

        Raises:
            NotFound: The settings have no such route.
            InvalidInput: The request is longer than the prompt's `max_input_tokens`.
            NotPermitted: No model of the route may see data of this kind.
            ConfigurationError: The trained router does not fit the route.
        """
        name = route or call.route
        targets = self._models.route(name)
        settings = self._settings.routes[name]
        tokens = likely_tokens(messages)
        self._check_length(call, tokens)
        ruled = self._by_rule(settings, call, messages)
        if ruled is not None:
            targets = tuple(self._models.target(model) for model in ruled)
        elif settings.choose == "learned":
            targets = self._learned(name, settings, targets, call)
        if call.conversation is not None:
            targets, settings = _for_conversation(call.conversation, targets, settings)
        tags = self._tags(call)
        targets = self._permitted(name, targets, tags, progress)
        return Plan(name, settings, self._readable(targets, tokens, progress), tags)

    def _check_length(self, call: Call[Any], tokens: int) -> None:
        prompt = self._settings.prompts.get(call.version.prompt_id)
        limit = prompt.max_input_tokens if prompt else None
        if limit is not None and tokens > limit:
            raise InvalidInput(
                f"The request of prompt {call.version.prompt_id!r} has about {tokens:,} tokens, "
                f"more than its max_input_tokens ({limit:,}). Nothing was sent.",
                hint="Give it less, or raise the limit.",
            )

    def _by_rule(
        self, settings: RouteSettings, call: Call[Any], messages: Sequence[Message]
    ) -> list[str] | None:
        return next((rule.models for rule in settings.rules if _fits(rule, call, messages)), None)

    def _learned(
        self, name: str, settings: RouteSettings, targets: tuple[Target, ...], call: Call[Any]
    ) -> tuple[Target, ...]:
        if name not in self._routers:
            self._routers[name] = self._load_router(name, settings)
        router, holds = self._routers[name]
        if holds and router.choose(text_of(call.inputs)).cheap:
            return targets
        names = [target.name for target in targets]
        return targets[names.index(router.strong) :]

    def _tags(self, call: Call[Any]) -> tuple[str, ...]:
        prompt = self._settings.prompts.get(call.version.prompt_id)
        workflow = self._settings.workflows.get(call.workflow)
        found = (*(prompt.data if prompt else ()), *(workflow.data if workflow else ()), *call.data)
        return tuple(sorted(set(found))) if found else ()

    def _permitted(
        self, route: str, targets: tuple[Target, ...], tags: tuple[str, ...], progress: Progress
    ) -> tuple[Target, ...]:
        if not tags:
            return targets
        permitted, refused = allowed(targets, tags, self._settings.residency)
        for name, why in refused:
            progress.skip(Skip(name, ErrorKind.NOT_ALLOWED, why))
        if not permitted:
            told = "; ".join(f"{name}: {why}" for name, why in refused)
            raise NotPermitted(
                f"No model of route {route!r} may see data of kind {', '.join(map(repr, tags))}: {told}.",
                hint="Add a model in a permitted region, or one in this process, to the route.",
            )
        return permitted

    def _readable(self, targets: tuple[Target, ...], tokens: int, progress: Progress) -> tuple[Target, ...]:
        able: list[Target] = []
        for target in targets:
            limit = target.settings.context_tokens
            if limit is None or tokens < limit:
                able.append(target)
            else:
                why = f"the request has about {tokens:,} tokens, the model reads {limit:,}"
                progress.skip(Skip(target.name, ErrorKind.CONTEXT_WINDOW, why))
        return tuple(able) or targets  # the plain estimate may be wrong; the provider has the last word


def _for_conversation(
    conversation: Conversation, targets: tuple[Target, ...], settings: RouteSettings
) -> tuple[tuple[Target, ...], RouteSettings]:
    """What of a route a conversation may use: no person answers it, and no other model makes its vectors."""
    if "review" in settings.then:
        settings = settings.model_copy(update={"then": [rung for rung in settings.then if rung != "review"]})
    if not conversation.vectors:
        return targets, settings
    # Vectors of different models cannot be compared.
    same = tuple(one for one in targets if one.model == targets[0].model)
    return same, settings.model_copy(update={"degrade_to": None, "choose": "order", "repairs": 0})


def _fits(rule: RouteRuleSettings, call: Call[Any], messages: Sequence[Message]) -> bool:
    return all(_holds(key, wanted, call, messages) for key, wanted in rule.when.items())


def _holds(key: str, wanted: str | int | list[str], call: Call[Any], messages: Sequence[Message]) -> bool:
    if key in ("min_characters", "max_characters"):
        size = sum(len(message.text) for message in messages)
        limit = int(wanted) if isinstance(wanted, int | str) else 0
        return size >= limit if key == "min_characters" else size <= limit
    options = [str(one) for one in wanted] if isinstance(wanted, list) else [str(wanted)]
    if key == "tag":
        return any(tag in options for tag in call.tags)
    said: Mapping[str, str] = {
        "tenant": call.tenant,
        "user": call.user_id,
        "workflow": call.workflow,
        "prompt": call.version.prompt_id,
        "task": call.task,
    }
    return said[key] in options
