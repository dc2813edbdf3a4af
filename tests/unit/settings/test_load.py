"""What a project's settings come to: defaults, overlays, variables, references, routes."""

import subprocess
import sys
from decimal import Decimal
from typing import Any, get_args

import pytest
from pydantic import BaseModel, ValidationError

import roadworthy.settings
from roadworthy.settings import Settings

MODELS = '[models.a]\nprovider = "simulated"\n[models.b]\nprovider = "simulated"\n'


def test_an_empty_file_is_a_valid_project(project):
    """Everything has a default; the project is called like its folder, and its service like the project."""
    settings = project.load("")
    assert settings.root == project.root
    assert settings.environment == "development"
    assert settings.files == (project.root / "roadworthy.toml",)
    assert settings.project.name == settings.telemetry.service_name == "desk"
    assert settings.database.url == f"sqlite:///{project.root}/.roadworthy/roadworthy.db"
    assert (settings.models, settings.routes) == ({}, {})
    assert settings.workers.concurrency == 20
    assert settings.retention.payloads_days == 30
    assert settings.limits.max_input_bytes == 20_000_000
    assert settings.route_for("any") is None


def test_a_full_file_is_read_as_it_is_written(project):
    """Every section comes out typed."""
    settings = project.load("""
[project]
name = "support-desk"
workflows = ["workflows.py"]

[database]
url = "postgres://desk@db.example.com:6432/desk?sslmode=require"
durability = "full"

[models.sonnet]
provider = "anthropic"
model = "claude-sonnet-4-5-20250929"
region = "us"
timeout_seconds = 30
prices = { input_usd_per_million = 3, output_usd_per_million = 15.0, cache_read_usd_per_million = 0.3 }
options = { thinking = false }

[models.rules]
provider = "python"
function = "desk.rules:answer"

[routes.answer]
models = ["sonnet", "rules"]
then = ["cache", "review"]
backoff = { initial_seconds = 1 }

[prompts.draft-reply]
version = "v2"

[workflows.answer_ticket]
business_owner = "support-operations"
latency_budget_seconds = 20
tags = ["desk"]

[schedules.nightly]
workflow = "answer_ticket"
cron = "30 2 * * mon-fri"
timezone = "Europe/Berlin"
input = { ticket_id = "t-1" }
""")
    assert settings.project.workflows == ["workflows.py"]
    assert settings.database.url == "postgresql://desk@db.example.com:6432/desk?sslmode=require"
    prices = settings.models["sonnet"].prices
    assert prices is not None
    assert (prices.output_usd_per_million, prices.cache_read_usd_per_million) == (Decimal(15), Decimal("0.3"))
    assert settings.models["sonnet"].key_variable == "ANTHROPIC_API_KEY"
    assert settings.routes["answer"].backoff.initial_seconds == 1
    assert settings.routes["answer"].backoff.factor == 2
    assert settings.route_for("draft-reply") == "answer"
    assert settings.schedules["nightly"].input == {"ticket_id": "t-1"}
    assert settings.schedules["nightly"].catch_up is False
    assert settings.telemetry.service_name == "support-desk"


def test_settings_cannot_be_changed(project):
    """Sections and the whole are frozen."""
    settings = project.load("")
    with pytest.raises(ValidationError):
        settings.environment = "production"
    with pytest.raises(ValidationError):
        settings.workers.concurrency = 5


def test_an_overlay_lies_over_the_file(project, setenv):
    """Tables merge, lists and values replace, and other environments are not touched."""
    project.write("[workers]\nconcurrency = 3\n[routes.r]\nmodels = ['b']\n", "roadworthy.production.toml")
    text = (
        MODELS
        + "[workers]\nconcurrency = 1\npoll_seconds = 2\n[routes.r]\nmodels = ['a', 'b']\nattempts = 7\n"
    )
    settings = project.load(text, "production")
    assert settings.environment == "production"
    assert [path.name for path in settings.files] == ["roadworthy.toml", "roadworthy.production.toml"]
    assert (settings.workers.concurrency, settings.workers.poll_seconds) == (3, 2)
    assert (settings.routes["r"].models, settings.routes["r"].attempts) == (["b"], 7)
    assert project.load(text).workers.concurrency == 1
    setenv("ROADWORTHY_ENV", "production")
    assert project.load(text).workers.concurrency == 3
    assert project.load(text, "staging").environment == "staging"


def test_later_layers_win(project, setenv):
    """File, overlay, variable, override: each wins over the ones before."""
    text = "[workers]\nconcurrency = 1\npoll_seconds = 1\nheartbeat_seconds = 1\nshutdown_seconds = 1"
    project.write(
        "[workers]\npoll_seconds = 2\nheartbeat_seconds = 2\nshutdown_seconds = 2", "roadworthy.test.toml"
    )
    setenv("ROADWORTHY__WORKERS__HEARTBEAT_SECONDS", "3")
    setenv("ROADWORTHY__WORKERS__SHUTDOWN_SECONDS", "3")
    workers = project.load(text, "test", **{"workers.shutdown_seconds": 4}).workers
    assert (
        workers.concurrency,
        workers.poll_seconds,
        workers.heartbeat_seconds,
        workers.shutdown_seconds,
    ) == (1, 2, 3, 4)


@pytest.mark.parametrize(
    ("variable", "value", "expected"),
    [
        ("PROJECT__NAME", "2024", "2024"),
        ("PROJECT__NAME", "true", "true"),
        ("PROJECT__NAME", '"quoted"', "quoted"),
        ("PROJECT__PROMPTS_DIR", "2024-10-21", "2024-10-21"),
        ("WORKERS__CONCURRENCY", "7", 7),
        ("TELEMETRY__CAPTURE_CONTENT", "true", True),
        ("PROJECT__WORKFLOWS", '["a.py"]', ["a.py"]),
        ("WORKERS", "{ concurrency = 7 }", None),
    ],
)
def test_a_variable_has_the_type_that_its_key_needs(project, setenv, variable, value, expected):
    """Text that looks like a number or a date is text where text is wanted."""
    setenv(f"ROADWORTHY__{variable}", value)
    settings: Any = project.load("")
    if expected is None:
        assert settings.workers.concurrency == 7
        return
    for name in variable.lower().split("__"):
        settings = getattr(settings, name)
    assert settings == expected


def test_references_are_replaced_in_any_text(project, setenv):
    """`${NAME}`, a default, an empty variable, the escape, and a number where one is wanted."""
    setenv("NAME", "desk-7")
    setenv("EMPTY", "")
    setenv("COUNT", "7")
    settings = project.load("""
[project]
name = "${NAME}-${EMPTY:-x}-${NOT_SET:-y}-$${NAME}"
workflows = ["${NAME}.py"]
[workers]
concurrency = "${COUNT}"
poll_seconds = "${NOT_SET:-0.25}"
[telemetry]
capture_content = "${NOT_SET:-true}"
service_name = "${COUNT}"
[models.m]
provider = "${NOT_SET:-simulated}"
options = { count = "${COUNT}" }
""")
    assert settings.project.name == "desk-7-x-y-${NAME}"
    assert settings.project.workflows == ["desk-7.py"]
    assert (settings.workers.concurrency, settings.workers.poll_seconds) == (7, 0.25)
    assert settings.telemetry.capture_content is True
    assert settings.telemetry.service_name == "7"
    assert settings.models["m"].options == {"count": "7"}


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (
            "${NOT_SET}",
            "The environment variable 'NOT_SET' is not set. Set it, or write ${NOT_SET:-default}.",
        ),
        ("${EMPTY}", "The environment variable 'EMPTY' is not set. Set it, or write ${EMPTY:-default}."),
        ("${}", "A reference to the environment is written ${NAME} or ${NAME:-default}, a plain ${ as $${."),
        ("${A", "A reference to the environment is written ${NAME} or ${NAME:-default}, a plain ${ as $${."),
        (
            "${A:-${B}}",
            "A reference to the environment is written ${NAME} or ${NAME:-default}, a plain ${ as $${.",
        ),
    ],
)
def test_a_reference_that_cannot_be_replaced_is_one_fault(project, setenv, value, message):
    """It stands on its line, and what it leads to is not complained about as well."""
    setenv("EMPTY", "")
    (fault,) = project.faults(f"[workers]\n\nconcurrency = '{value}'")
    assert (fault.message, fault.line, fault.key) == (message, 3, "workers.concurrency")


def test_a_reference_that_is_overlaid_need_not_be_set(project):
    """Only what counts in the end is looked up."""
    project.write("[database]\nurl = 'sqlite:///x.db'", "roadworthy.development.toml")
    assert project.load("[database]\nurl = '${DATABASE_URL}'").database.url.endswith("/x.db")


def test_values_of_variables_and_overrides_are_taken_as_they_are(project, setenv):
    """A password with `${` in it survives."""
    setenv("ROADWORTHY__PROJECT__NAME", "a${B}")
    setenv("NAME", "c${D}")
    settings = project.load("[telemetry]\nservice_name = '${NAME}'", **{"project.prompts_dir": "e${F}"})
    assert (settings.project.name, settings.telemetry.service_name) == ("a${B}", "c${D}")
    assert settings.project.prompts_dir == "e${F}"


def test_a_sqlite_path_does_not_depend_on_the_current_folder(project):
    """Relative ones are the project's, absolute ones stay, and parameters are kept."""
    assert (
        project.load("[database]\nurl = 'sqlite:///a/b.db?x=1'").database.url
        == f"sqlite:///{project.root}/a/b.db?x=1"
    )
    assert project.load("[database]\nurl = 'sqlite:////var/b.db'").database.url == "sqlite:////var/b.db"
    assert project.load("").path("prompts") == project.root / "prompts"
    assert project.load("").path("/prompts").as_posix() == "/prompts"


def test_a_route_is_chosen_from_the_nearest_to_the_default(project):
    """The prompt's own, then its workflow's, then the one named default."""
    routes = "[routes.default]\nmodels=['a']\n[routes.x]\nmodels=['a']\n[routes.y]\nmodels=['a']\n"
    settings = project.load(
        MODELS
        + routes
        + "[prompts.p]\nroute='x'\n[prompts.q]\nversion='v1'\n[workflows.w]\nroute='y'\n[workflows.v]\n"
    )
    assert settings.route_for("p", "w") == "x"
    assert settings.route_for("q", "w") == settings.route_for("r", "w") == "y"
    assert (
        settings.route_for("q", "v")
        == settings.route_for("q", "unknown")
        == settings.route_for("q")
        == "default"
    )


def test_the_only_route_is_the_default(project):
    """With one route nothing needs to be said; with several and none named default there is none."""
    assert project.load(MODELS + "[routes.r]\nmodels=['a']").route_for("p") == "r"
    assert project.load(MODELS + "[routes.r]\nmodels=['a']\n[routes.s]\nmodels=['b']").route_for("p") is None


def models_in(kind: Any) -> set[type[BaseModel]]:
    """Every model that a type mentions, with those that their fields mention."""
    found: set[type[BaseModel]] = set()
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        found = {kind}.union(*(models_in(field.annotation) for field in kind.model_fields.values()))
    return found.union(*(models_in(part) for part in get_args(kind)))


def test_every_setting_is_described():
    """Each field has a line under it, a sentence, because the reference page is made from them."""
    kinds = models_in(Settings)
    assert len(kinds) == 32
    for kind in kinds:
        assert kind.__doc__
        for name, field in kind.model_fields.items():
            assert field.description, f"{kind.__name__}.{name}"
            assert field.description.endswith("."), f"{kind.__name__}.{name}"


def test_what_is_exported_is_listed():
    """The public names of the folder are these."""
    assert set(roadworthy.settings.__all__) >= {"Settings", "ModelSettings", "RouteSettings", "find_root"}
    assert all(hasattr(roadworthy.settings, name) for name in roadworthy.settings.__all__)


@pytest.mark.slow
def test_importing_settings_is_cheap():
    """Neither croniter nor anything above this folder is loaded with it."""
    code = "import sys, roadworthy.settings; print(*sorted(n for n in sys.modules if n in %r))"
    heavy = ["croniter", "tomlkit", "sqlalchemy", "pydantic_ai", "rich", "typer", "jinja2"]
    done = subprocess.run([sys.executable, "-c", code % heavy], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_limits_of_zero_are_limits(project):
    """0 is not the same as no limit: it lets through only what is free."""
    project.root.joinpath("roadworthy.toml").write_text(
        "[budgets.none]\nscope = 'environment'\nper_day_usd = 0\nper_day_tokens = 0\n"
    )
    budget = Settings.load(project.root).budgets["none"]
    assert budget.per_day_usd == 0
    assert budget.per_day_tokens == 0
    assert budget.per_month_usd is None
