"""The pytest plugin, as it behaves in the test runs of users."""

import subprocess
import sys

import pytest

pytest_plugins = "pytester"

SETTINGS = """
[project]
name = "desk"

[models.near]
provider = "python"
function = "desk:answer"

[models.far]
provider = "openai"
model = "gpt-5-2026-01-01"

[models.loopback]
provider = "openai"
model = "gpt-5-2026-01-01"
base_url = "http://127.0.0.1:9/v1"
"""

ASK = """
import pytest
from roadworthy.errors import ErrorKind, ProviderError

async def ask(name):
    from pathlib import Path
    from roadworthy.models import Models
    from roadworthy.models.provider import Message, Request
    from roadworthy.settings import Settings
    models = Models(Settings.load(Path(__file__).parent), {"desk:answer": lambda _request: "near"})
    try:
        return await models.target(name).request(Request((Message("user", "hi"),), timeout_seconds=5))
    finally:
        await models.close()
"""


DESK = """
import roadworthy

app = roadworthy.App.load(__file__)

@app.step
async def double(number: int) -> int:
    return 2 * number

@app.workflow
async def twice(number: int) -> int:
    return await double(number)
"""


@pytest.fixture
def run(pytester, monkeypatch, run_pytest):
    """Run one test file in a project with models near and far."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-not-a-real-key")

    def run(test, *, options=(), **settings):
        (pytester.path / "roadworthy.toml").write_text(SETTINGS)
        pytester.makepyfile(test)
        return run_pytest(*options, **settings)

    return run


def test_outside_models_are_refused_and_fail_the_test(run):
    """A request to the outside raises at once, and the test fails even when it caught the error."""
    result = run(
        ASK
        + """
async def test_caught():
    with pytest.raises(ProviderError) as raised:
        await ask("far")
    assert raised.value.kind is ErrorKind.NOT_CONFIGURED
    assert "'far' (openai) is outside" in str(raised.value)
"""
    )
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*The test called models outside: far.*"])


def test_models_on_this_machine_are_allowed(run):
    """Functions and servers on loopback answer as ever."""
    result = run(
        ASK
        + """
from roadworthy.testing.simulated import SimulatedProvider

async def test_near():
    assert (await ask("near")).text == "near"

async def test_loopback(monkeypatch):
    async with SimulatedProvider() as provider:
        monkeypatch.setenv("ROADWORTHY__MODELS__LOOPBACK__BASE_URL", provider.base_url)
        assert (await ask("loopback")).text == "echo: hi"
"""
    )
    result.assert_outcomes(passed=2)


def test_a_marked_test_may_reach_outside(run):
    """With the marker the request is sent; here it fails for want of a server."""
    result = run(
        ASK
        + """
@pytest.mark.roadworthy_live
async def test_live(monkeypatch):
    monkeypatch.setenv("ROADWORTHY__MODELS__FAR__BASE_URL", "http://model.invalid:9/v1")
    with pytest.raises(ProviderError) as raised:
        await ask("far")
    assert raised.value.kind is ErrorKind.CONNECTION

async def test_next_one_is_guarded_again():
    with pytest.raises(ProviderError, match="outside"):
        await ask("far")
"""
    )
    result.assert_outcomes(passed=2, errors=1)


def test_tests_without_models_pay_nothing(run):
    """The plugin imports neither the model layer nor the simulated provider."""
    result = run(
        """
import sys

def test_imports():
    heavy = ("roadworthy.models", "roadworthy.settings", "uvicorn", "starlette", "sqlalchemy")
    assert [name for name in heavy if name in sys.modules] == []
"""
    )
    result.assert_outcomes(passed=1)


def test_a_run_without_an_event_loop_plugin_works(run):
    """Without pytest-asyncio only the fixtures that need it are missing, also with warnings as errors."""
    result = run(
        "def test_nothing(): pass\n", with_asyncio=False, options=("-p", "no:asyncio", "-W", "error")
    )
    result.assert_outcomes(passed=1)


def test_the_app_runs_on_a_database_of_its_own(pytester, run):
    """The fixture finds the project's app, starts it on an empty database, and stops it."""
    pytester.makepyfile(desk=DESK)
    result = run(
        """
        import pytest

        @pytest.mark.parametrize("number", [21, 4])
        async def test_run(roadworthy_app, number, tmp_path):
            from desk import app, twice
            assert roadworthy_app is app
            assert str(tmp_path) in app.settings.database.url
            handle = await roadworthy_app.start(twice, number)
            assert await handle.result() == 2 * number

        def test_settings_are_given_back():
            from desk import app
            assert app.settings.database.url.endswith("/.roadworthy/roadworthy.db")
        """
    )
    result.assert_outcomes(passed=3)
    assert not (pytester.path / ".roadworthy").exists()


def test_the_project_may_be_in_another_folder(pytester, run):
    """`roadworthy_project` names the folder from the root directory."""
    folder = pytester.mkdir("service")
    (folder / "roadworthy.toml").write_text('[project]\nname = "service"\n')
    (folder / "serving.py").write_text(DESK)
    result = run(
        """
        def test_name(roadworthy_project_app):
            assert roadworthy_project_app.settings.project.name == "service"
            assert list(roadworthy_project_app.workflows) == ["twice"]
        """,
        ini="roadworthy_project = service\n",
    )
    result.assert_outcomes(passed=1)


def test_a_project_without_an_app_is_a_clear_error(run):
    """The message says which folder and what to write."""
    result = run("def test_app(roadworthy_project_app): pass\n")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*ConfigurationError: No app was found in the project*App.load(__file__)*"])


def test_importing_the_plugin_loads_nothing_heavy():
    """It is loaded in every test run of everybody who has Roadworthy installed."""
    heavy = ("pydantic", "sqlalchemy", "uvicorn", "starlette", "dbos", "roadworthy.app", "roadworthy.models")
    program = (
        "import pytest, sys; import roadworthy.testing.plugin; "
        f"print([name for name in {heavy!r} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
