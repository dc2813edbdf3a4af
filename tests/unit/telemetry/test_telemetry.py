"""Without an exporter, telemetry costs next to nothing and loads nothing."""

import asyncio
import subprocess
import sys
import time
from contextvars import ContextVar

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


LEAST = ContextVar("least", default=NOTHING)


def microseconds(work, times=5000):
    """Processor time of one call, on average."""
    start = time.process_time()
    for _ in range(times):
        work()
    return (time.process_time() - start) / times * 1e6


class Least:
    """The least that a span can do: set a context variable and set it back."""

    def __enter__(self):
        self.token = LEAST.set(NOTHING)

    def __exit__(self, *error):
        LEAST.reset(self.token)


def test_a_span_without_an_exporter_costs_little_more_than_the_least():
    """Each of the four helpers, in ratio to a context manager that only sets a variable."""
    telemetry = Telemetry()

    def least():
        with Least():
            pass

    def run():
        with telemetry.run_span(run_id="run_1", workflow="w"):
            pass

    def step():
        with telemetry.step_span(step_id="step_1", step="draft"):
            pass

    def call():
        with telemetry.call_span(call_id="call_1", prompt_id="p", prompt_version="v2"):
            pass

    def attempt():
        with telemetry.attempt_span(number=1, model="m", provider="openai", request_model="x"):
            pass

    for work in (run, step, call, attempt):
        assert any(microseconds(work) < 7 * microseconds(least) for _ in range(5)), work.__name__


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
