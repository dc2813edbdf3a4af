"""Test runs of users: a pytest of its own, as strict as ours."""

import importlib.metadata

import pytest

WITH_ASYNCIO = "asyncio_mode = auto\nasyncio_default_fixture_loop_scope = function\n"


@pytest.fixture
def run_pytest(pytester, monkeypatch):
    """Run the tests in pytester's folder; `ini` adds to pytest's settings."""
    installed = importlib.metadata.entry_points(group="pytest11", name="roadworthy")
    plugin = [] if installed else ["-p", "roadworthy.testing.plugin"]
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)

    def run(*options, ini="", with_asyncio=True):
        loops = WITH_ASYNCIO if with_asyncio else ""
        pytester.makeini(f"[pytest]\nfilterwarnings = error\n{loops}{ini}")
        without = (f"-pno:{name}" for name in ("cacheprovider", "schemathesis", "langsmith_plugin"))
        return pytester.runpytest_subprocess(*plugin, "--strict-markers", *without, *options)

    return run
