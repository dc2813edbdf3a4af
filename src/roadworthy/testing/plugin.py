"""The pytest plugin, found by pytest by itself once Roadworthy is installed.

Model calls to the outside are off in every test, but for those marked `@pytest.mark.roadworthy_live`: a
request fails at once, and so does the test, even where a fallback hid it. Imports nothing heavy: it is
loaded in every test run on a machine that has Roadworthy. The fixture `roadworthy_app` is in `fixtures.py`.
"""

import sys
from collections.abc import Generator

import pytest

_VARIABLE = "ROADWORTHY_OUTSIDE_CALLS"  # that of roadworthy.models.outside, which is not imported for this


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the plugin's settings."""
    help_text = "folder of the project that the fixture roadworthy_app loads (default: the root directory)"
    parser.addini("roadworthy_project", help_text, type="string", default="")


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marker, and the fixtures where they can be used."""
    config.addinivalue_line("markers", "roadworthy_live: the test may call models over the network")
    # By then every installed plugin is loaded, so that importing pytest-asyncio costs and changes nothing.
    if config.pluginmanager.hasplugin("asyncio"):
        from roadworthy.testing import fixtures

        config.pluginmanager.register(fixtures, "roadworthy-fixtures")


@pytest.fixture(autouse=True)
def _roadworthy_outside(  # pyright: ignore[reportUnusedFunction]
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Generator[None]:
    """Refuse model calls to the outside, and fail the test that tried one."""
    live = request.node.get_closest_marker("roadworthy_live") is not None
    monkeypatch.setenv(_VARIABLE, "on" if live else "off")
    _take_refused()
    yield
    if refused := _take_refused():
        names = ", ".join(sorted(set(refused)))
        pytest.fail(
            f"The test called models outside: {names}. Use provider = 'simulated', 'local' or 'python', "
            "or mark the test with @pytest.mark.roadworthy_live.",
            pytrace=False,
        )


def _take_refused() -> list[str]:
    """The models that were refused since the last look; none when the model layer was never loaded."""
    layer = sys.modules.get("roadworthy.models.outside")
    if layer is None:
        return []
    taken = list(layer.refused)
    layer.refused.clear()
    return taken
