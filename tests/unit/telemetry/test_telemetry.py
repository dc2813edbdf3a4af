"""Without an exporter, telemetry costs next to nothing and loads nothing."""

import asyncio
import subprocess
import sys

import pytest

from roadworthy.errors import ConfigurationError
from roadworthy.records import Usage
from roadworthy.settings import TelemetrySettings
from roadworthy.telemetry import Telemetry
from roadworthy.telemetry.context import NOTHING, bound


@pytest.mark.slow
def test_opentelemetry_is_not_imported_without_an_exporter():
    """A whole run is reported, and no module of OpenTelemetry is loaded."""
    code = (
        "import sys\n"
        "from roadworthy.telemetry import Telemetry\n"
        "t = Telemetry()\n"
        "with t.run_span(run_id='run_1', workflow='w'), t.step_span(step_id='s', step='x'):\n"
        "    t.emit('run.cancelled', run_id='run_1', workflow='w')\n"
        "    assert t.traceparent() == ''\n"
        "assert t.flush(); t.close()\n"
        "assert not [m for m in sys.modules if m.startswith('opentelemetry')]\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_noop_span_takes_everything(log):
    """All that a recorded span takes, and an exception passes through it."""
    telemetry = Telemetry()

    def work():
        with telemetry.run_span(run_id="run_1", workflow="w") as span:
            span.set(status="dead", usage=Usage(1, 2))
            span.fail(ValueError())
            span.capture(messages=[("user", "help")], answer="yes")
            raise KeyError

    with pytest.raises(KeyError):
        work()
    assert bound.get() is NOTHING


async def test_a_span_left_in_another_task_does_no_harm():
    """An async generator that is closed elsewhere must not break the program that used a span in it."""
    telemetry = Telemetry()

    async def generator():
        with telemetry.run_span(run_id="run_1", workflow="w"):
            yield 1

    iterator = generator()
    await asyncio.create_task(anext(iterator))
    await iterator.aclose()
    assert bound.get() is NOTHING


@pytest.mark.parametrize("exporter", ["otlp", "console"])
def test_a_missing_extra_is_said_with_what_to_install(monkeypatch, exporter):
    """An exporter without its packages is a configuration error, at once."""
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    monkeypatch.delitem(sys.modules, "roadworthy.telemetry.export", raising=False)
    with pytest.raises(ConfigurationError, match="not installed") as caught:
        Telemetry(TelemetrySettings(exporter=exporter))
    assert "pip install 'roadworthy[otlp]'" in str(caught.value)
