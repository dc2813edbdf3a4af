"""What exactly an experiment evaluates: a suite's target in one variant, its evaluators and its data set."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from roadworthy.calls.calibrated import Calibrations
from roadworthy.errors import ConfigurationError, did_you_mean
from roadworthy.evals import dataset
from roadworthy.evals.case import digest
from roadworthy.evals.dataset import Dataset
from roadworthy.evals.evaluator import Evaluator, Workshop
from roadworthy.evals.fingerprint import fingerprint, parts_of
from roadworthy.evals.judging.record import read_record
from roadworthy.evals.project import Project, Variant
from roadworthy.evals.settings import BUDGET, evals_settings
from roadworthy.evals.suite import Suite
from roadworthy.evals.tape import Tape
from roadworthy.evals.taped import taped
from roadworthy.evals.target import Outcome, Target
from roadworthy.evals.targets.function import FunctionTarget
from roadworthy.evals.targets.prompt import Asking, PromptTarget
from roadworthy.evals.targets.workflow import WorkflowTarget
from roadworthy.prompts import Version
from roadworthy.settings import BudgetSettings, PromptSettings, RouteSettings

_ALONE = "this model alone"
"""The route of a variant that is one model; no route of the settings can have such a name."""


@dataclass(frozen=True, slots=True)
class Plan:
    """An experiment before it runs."""

    suite: Suite
    variant: str
    """For people."""
    target: Target
    evaluators: tuple[Evaluator, ...]
    dataset: Dataset
    parts: Mapping[str, str]
    fingerprint: str
    texts: tuple[Version, ...]
    """Versions of prompts that its calls will name."""
    asking: Asking
    words: tuple[str, ...] = ()
    """The options of `roadworthy eval` that it was asked for with, without which it cannot go on."""


def plan(
    project: Project, suite: Suite, variant: Variant, tape: Tape, task: str, *, keep_going: bool = False
) -> Plan:
    """What `suite` evaluates of `variant`.

    Raises:
        ConfigurationError: The data set has faults (left out with `keep_going`), or the suite does not fit.
        NotFound: There is no such version, route or model.
    """
    asking = _asking(project, suite, variant, tape, task)
    texts: list[Version] = []
    kind, name = suite.target
    if kind == "prompt":
        version = project.prompts.get(name).version(variant.label) if variant.label else project.serves(name)
        route = _ALONE if variant.model else variant.route or project.route(name)
        target: Target = _prompt(project, version, route, asking)
        texts.append(version)
        title = version.name + (
            f" by {variant.model or variant.route}" if route != project.route(name) else ""
        )
    elif kind == "function":
        target, title = FunctionTarget.load(name, suite.folder, project.settings.root), name
    else:
        target = _workflow(project, name, variant, asking)
        title = name + (f" by {variant}" if variant != Variant() else "")
    evaluators = _evaluators(project, suite, asking, texts)
    cases = dataset.read(suite.cases_file, keep_going=keep_going)
    parts = parts_of(target, evaluators, cases, suite)
    return Plan(suite, title, target, evaluators, cases, parts, fingerprint(parts), tuple(texts), asking)


def _asking(project: Project, suite: Suite, variant: Variant, tape: Tape, task: str) -> Asking:
    settings = evals_settings(project.settings, task, suite.settings.budget_usd)
    routes = dict(settings.routes)
    if variant.route is not None and variant.route not in routes:
        raise ConfigurationError(
            f"There is no route {variant.route!r}.", hint=did_you_mean(variant.route, routes)
        )
    if variant.model is not None:
        kind, name = suite.target
        base = routes.get(project.route(name)) if kind == "prompt" else None
        routes[_ALONE] = (base or RouteSettings(models=[variant.model])).model_copy(
            update={"models": [variant.model], "choose": "order", "router": None, "rules": [], "then": []}
        )
        settings = settings.model_copy(update={"routes": routes})
    models = project.models.by_routes({name: route.models for name, route in routes.items()})
    return Asking(project.pipeline(settings, models), models, settings, project.database, tape, task)


def _prompt(project: Project, version: Version, route: str, asking: Asking) -> PromptTarget:
    output, rules = project.asked(version.prompt_id)
    return PromptTarget(version, output, rules, route, asking)


def _workflow(project: Project, name: str, variant: Variant, asking: Asking) -> WorkflowTarget:
    settings = asking.settings
    if variant.route or variant.model:
        route = variant.route or _ALONE
        prompts = {
            one.id: settings.prompts.get(one.id, PromptSettings()).model_copy(update={"route": route})
            for one in project.prompts
        }
        settings = settings.model_copy(update={"prompts": prompts})
    budget = settings.budgets.get(BUDGET)
    if budget is not None:  # all that is spent on the stage
        its = BudgetSettings(scope="environment", per_month_usd=budget.per_month_usd)
        settings = settings.model_copy(update={"budgets": {**settings.budgets, BUDGET: its}})
    decides = settings.model_dump(
        mode="json",
        include={"models", "routes", "prompts", "workflows", "limits"},
        exclude={name: {"__all__": {"approvers"}} for name in ("prompts", "workflows")},  # who, not what
        exclude_defaults=True,  # so that a setting that is new in Roadworthy changes nothing
    )
    pins: dict[str, str] = {}
    if variant.label and variant.prompt:
        pins[variant.prompt] = project.prompts.get(variant.prompt).version(variant.label).label
    served = {one.id: pins.get(one.id) or project.serves(one.id).content_hash for one in project.prompts}
    calibrations = Calibrations(settings)
    fitted: dict[str, str] = {one: its for one in settings.prompts if (its := calibrations.digest(one))}
    if fitted:  # by these it is decided what a person has to see
        decides["confidence"] = fitted
    stage = project.rehearsing(settings, taped(asking.models, asking.tape))
    return WorkflowTarget(name, {**decides, "serves": served}, project.settings.root, stage, pins)


def _evaluators(
    project: Project, suite: Suite, asking: Asking, texts: list[Version]
) -> tuple[Evaluator, ...]:
    judges: dict[str, PromptTarget] = {}

    def judge(prompt_id: str) -> PromptTarget:
        if prompt_id not in judges:
            version = project.serves(prompt_id)
            judges[prompt_id] = _prompt(project, version, project.route(prompt_id), asking)
            texts.append(version)
        return judges[prompt_id]

    async def ask(prompt_id: str, inputs: Mapping[str, Any], repeat: int) -> Outcome:
        return await judge(prompt_id).ask(inputs, repeat)

    record = read_record(suite.judges_file)
    workshop = Workshop(
        functions=project.evaluators,
        ask=ask,
        digest_of=lambda prompt_id: digest(judge(prompt_id).parts),
        suite=suite.name,
        folder=suite.folder,
        calibrated=partial(record.calibrated, rules=suite.settings.judges),
    )
    return tuple(one.build(workshop) for one in suite.settings.evaluators)
