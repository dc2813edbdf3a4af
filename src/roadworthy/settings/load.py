"""`Settings`: everything that configures a project, loaded once, typed and frozen.

files, variables, overrides     read.py, layers.py      one layer each, laid over each other
secrets refused, ${NAME}        expand.py
types and ranges                model.py, operation.py
rules across sections           checks.py
all that is wrong, in one go    faults.py               SettingsError
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self, cast

from pydantic import Field, PrivateAttr, SecretStr, ValidationError

from roadworthy.errors import Fault, SettingsError
from roadworthy.settings.checks import cross_findings
from roadworthy.settings.expand import expand, is_text, secret_findings
from roadworthy.settings.faults import WRONG_TYPE, Faults, dotted, translate
from roadworthy.settings.keys import find_audit_keys, find_client_secret, find_key
from roadworthy.settings.layers import (
    VARIABLE_PREFIX,
    Layer,
    Place,
    Table,
    overlay,
    override_layer,
    place_of,
    variable_layer,
)
from roadworthy.settings.lines import MAX_DEPTH, Key
from roadworthy.settings.means import (
    BudgetSettings,
    ProviderBatchSettings,
    ResidencySettings,
    ResilienceSettings,
    ThrottleSettings,
)
from roadworthy.settings.model import (
    DatabaseSettings,
    ModelSettings,
    ProjectSettings,
    PromptSettings,
    RouteSettings,
    ScheduleSettings,
    Section,
    WorkflowSettings,
)
from roadworthy.settings.operation import (
    AccessSettings,
    AuditSettings,
    LimitSettings,
    ReleaseSettings,
    RetentionSettings,
    TelemetrySettings,
    WorkerSettings,
)
from roadworthy.settings.read import FILE_NAME, INIT_HINT, display, environment_name, read_file
from roadworthy.settings.rules import Name
from roadworthy.settings.service import ServiceSettings


class Sections(Section):
    """What a settings file may contain."""

    project: ProjectSettings = ProjectSettings()
    """What the project is called and where its parts are."""
    database: DatabaseSettings = DatabaseSettings()
    """Where all state lives."""
    models: dict[Name, ModelSettings] = Field(default_factory=dict[str, ModelSettings])
    """The models that routes may name."""
    routes: dict[Name, RouteSettings] = Field(default_factory=dict[str, RouteSettings])
    """Which models answer, in which order."""
    prompts: dict[Name, PromptSettings] = Field(default_factory=dict[str, PromptSettings])
    """How single prompts are served here."""
    workflows: dict[Name, WorkflowSettings] = Field(default_factory=dict[str, WorkflowSettings])
    """Owners and limits of workflows."""
    schedules: dict[Name, ScheduleSettings] = Field(default_factory=dict[str, ScheduleSettings])
    """Workflows that start by the clock."""
    budgets: dict[Name, BudgetSettings] = Field(default_factory=dict[str, BudgetSettings])
    """How much may be spent."""
    throttles: dict[Name, ThrottleSettings] = Field(default_factory=dict[str, ThrottleSettings])
    """How often somebody may ask."""
    residency: dict[Name, ResidencySettings] = Field(default_factory=dict[str, ResidencySettings])
    """Where which data may go."""
    resilience: ResilienceSettings = ResilienceSettings()
    """How an outage is kept from becoming a storm of retries."""
    provider_batch: ProviderBatchSettings = ProviderBatchSettings()
    """Work that can wait, at the providers' batch price."""
    service: ServiceSettings = ServiceSettings()
    """The HTTP API and who may reach it."""
    workers: WorkerSettings = WorkerSettings()
    """The processes that execute runs."""
    releases: ReleaseSettings = ReleaseSettings()
    """What it takes to let a version serve."""
    retention: RetentionSettings = RetentionSettings()
    """How long what happened is kept."""
    telemetry: TelemetrySettings = TelemetrySettings()
    """What is sent and logged."""
    limits: LimitSettings = LimitSettings()
    """Sizes that are refused."""
    access: AccessSettings = AccessSettings()
    """How people sign in, and how long keys last."""
    audit: AuditSettings = AuditSettings()
    """How the log of who did what is protected."""


class Settings(Sections):
    """A project's settings in one environment. Get them from `Settings.load`."""

    root: Path
    """The project's folder, absolute."""
    environment: str = "development"
    """The environment's name: an argument, `ROADWORTHY_ENV`, or `development`."""
    files: tuple[Path, ...] = ()
    """The files that were read, in the order in which one lies over the other."""

    _places: Mapping[Key, Place] = PrivateAttr(default_factory=dict[Key, Place])

    @classmethod
    def load(
        cls, root: Path, environment: str | None = None, overrides: Mapping[str, Any] | None = None
    ) -> Self:
        """Read and check the settings of the project in `root`.

        `overrides` lie over everything else: nested tables, or dotted keys such as `database.url`. A
        relative path in `database.url` comes back absolute. Raises `SettingsError` with every fault there is.
        """
        root = root.absolute()
        environment = environment_name(environment)
        faults = Faults()
        layer, files = _read_files(root, environment, faults)
        layer = _lay_over(layer, overrides or {}, faults)
        layer, findings = expand(layer, os.environ)
        faults.add(findings, layer.places)
        sections, layer = _typed(_with_defaults(layer, root), faults)
        faults.add(cross_findings(layer.values), layer.places)
        faults.raise_if_any()
        assert sections is not None  # noqa: S101  # no fault, so it passed
        values = {name: getattr(sections, name) for name in Sections.model_fields}
        values["database"] = _rooted(sections.database, root)
        settings = cls(root=root, environment=environment, files=files, **values)
        settings._places = layer.places
        return settings

    def path(self, relative: str) -> Path:
        """A path from the settings, which is relative to the project, made absolute."""
        return self.root / Path(relative).expanduser()

    def source(self, key: Key) -> str:
        """Where a value was said: its file and line, a variable, an override; empty for a default."""
        place = self._places.get(key, Place())
        return place.source or (f"{Path(place.file).name}:{place.line}" if place.file else "")

    def route_for(self, prompt_id: str, workflow: str | None = None) -> str | None:
        """A prompt's route: its own, its workflow's, the only one, the one named `default`, else `None`."""
        prompt = self.prompts.get(prompt_id)
        if prompt and prompt.route:
            return prompt.route
        around = self.workflows.get(workflow) if workflow else None
        if around and around.route:
            return around.route
        if len(self.routes) == 1:
            return next(iter(self.routes))
        return "default" if "default" in self.routes else None

    def secret(self, model: ModelSettings) -> SecretStr | None:
        """The model's key, read now; `None` when it is missing, or when the model needs none."""
        return find_key(model, self.root)[0]

    def client_secret(self, provider: str) -> SecretStr | None:
        """What this service proves itself with at a provider of `[access.openid]`; read now.

        None for a public client. Raises `SettingsError` when one that is named is not there.
        """
        its = self.access.openid[provider]
        secret, reason = find_client_secret(its, self.root)
        if reason:
            source = "client_secret_env" if its.client_secret_file is None else "client_secret_file"
            key = ("access", "openid", provider, source)
            place = place_of(self._places, key)
            message = f"{reason} It should hold the client secret of {provider!r}."
            raise SettingsError([Fault(message, place.file, place.line, dotted(key))])
        return secret

    def audit_keys(self) -> tuple[SecretStr | None, list[SecretStr]]:
        """The key that signs the audit log, None where none is named, and earlier ones; read now.

        Raises `SettingsError` when one that is named is not there.
        """
        current, old, reasons = find_audit_keys(self.audit, self.root)
        if reasons:
            raise SettingsError(self._audit_faults(reasons))
        return current, old

    def _audit_faults(self, reasons: Mapping[str, str]) -> list[Fault]:
        faults: list[Fault] = []
        for name, reason in reasons.items():
            place = place_of(self._places, ("audit", name))
            message = f"{reason} It should hold a key of the audit log."
            faults.append(Fault(message, place.file, place.line, f"audit.{name}"))
        return faults

    def missing_secrets(self) -> list[Fault]:
        """The keys that are not there, of models and of the audit log, for `config check`."""
        faults = self._audit_faults(find_audit_keys(self.audit, self.root)[2])
        for name, model in self.models.items():
            _, reason = find_key(model, self.root)
            if reason:
                source = "api_key_file" if model.api_key_file is not None else "api_key_env"
                key = ("models", name, source)
                place = place_of(self._places, key)
                message = f"{reason} It should hold the key of model {name!r} ({model.provider})."
                faults.append(Fault(message, place.file, place.line, dotted(key)))
        return faults


def _read_files(root: Path, environment: str, faults: Faults) -> tuple[Layer, tuple[Path, ...]]:
    """The settings file with the environment's own over it. Raises when one cannot be used at all."""
    layer = Layer()
    files: list[Path] = []
    for path in (root / FILE_NAME, root / f"roadworthy.{environment}.toml"):
        read = read_file(path)
        if read is None and path.name == FILE_NAME:
            raise SettingsError([Fault(f"There is no {display(path)}.")], hint=INIT_HINT)
        if read is None:
            continue
        files.append(path)
        faults.files.append(display(path))
        if isinstance(read, Fault):
            faults.whole.append(read)
        else:
            faults.add(secret_findings(read), read.places)
            layer = overlay(layer, read)
    if faults.whole:
        faults.raise_if_any()
    return layer, tuple(files)


def _lay_over(layer: Layer, overrides: Mapping[str, Any], faults: Faults) -> Layer:
    """The files with the environment's variables over them, and the overrides over those."""
    for variable in sorted(name for name in os.environ if name.startswith(VARIABLE_PREFIX)):
        parts = variable.removeprefix(VARIABLE_PREFIX).split("__")
        if not all(parts) or len(parts) > MAX_DEPTH:
            example = f"{VARIABLE_PREFIX}DATABASE__URL"
            faults.whole.append(
                Fault(f"environment variable {variable}: the name must be a key's, such as {example}.")
            )
        elif not is_text(os.environ[variable]):
            faults.whole.append(Fault(f"environment variable {variable}: the value is not UTF-8 text."))
        else:
            over = variable_layer(layer, variable, os.environ[variable])
            faults.add(secret_findings(over), over.places)
            layer = overlay(layer, over)
    return overlay(layer, override_layer(overrides))


def _with_defaults(layer: Layer, root: Path) -> Layer:
    """The project is called like its folder, and its service like the project, unless they say otherwise."""
    values = dict(layer.values)
    name: Any = root.name or "project"
    for section, key in (("project", "name"), ("telemetry", "service_name")):
        table = values.setdefault(section, {})
        if isinstance(table, dict):
            if isinstance(name, str) and name:
                values[section] = {key: name, **cast("Table", table)}
            name = cast("Table", values[section]).get(key)
    return Layer(values, layer.places, layer.readings)


def _typed(layer: Layer, faults: Faults) -> tuple[Sections | None, Layer]:
    """The values as models; where a text has the wrong type and may be read in another way, it is."""
    try:
        return Sections.model_validate(layer.values), layer
    except ValidationError as error:
        errors = error.errors(include_url=False)
    again = {e["loc"] for e in errors if e["type"] in WRONG_TYPE and e["loc"] in layer.readings}
    if again:
        values: Any = layer.values
        for key in again:
            values = _replaced(values, key, layer.readings[key])
        try:
            return Sections.model_validate(values), Layer(values, layer.places, layer.readings)
        except ValidationError as error:
            errors = error.errors(include_url=False)
            layer = Layer(values, layer.places, layer.readings)
    faults.add([translate(error, Sections, layer) for error in errors], layer.places)
    return None, layer


def _replaced(value: Any, key: Key, new: object) -> Any:
    if not key:
        return new
    copy = value.copy()
    copy[key[0]] = _replaced(value[key[0]], key[1:], new)
    return copy


def _rooted(database: DatabaseSettings, root: Path) -> DatabaseSettings:
    """The path of a SQLite file made absolute, so that it is the same file from every folder."""
    start = "sqlite:///"
    if not database.url.startswith(start):
        return database
    path, question, query = database.url.removeprefix(start).partition("?")
    return database.model_copy(update={"url": f"{start}{root / path}{question}{query}"})
