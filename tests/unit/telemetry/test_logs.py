"""Log lines can be parsed, say where they come from, and cannot be forged."""

import asyncio
import json
import logging
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from inline_snapshot import snapshot

from roadworthy.errors import ConfigurationError, ErrorKind, InvalidInput, ProviderError
from roadworthy.settings import TelemetrySettings
from roadworthy.telemetry import JsonFormatter, Scrubber, Telemetry, TextFormatter
from roadworthy.telemetry.failures import WITHHELD

RECORDED = 1772357400.25


def record(message, *args, exc_info=None, level=logging.INFO):
    """A log record made at a fixed time."""
    made = logging.LogRecord("shop.orders", level, "f.py", 1, message, args, exc_info)
    made.created = RECORDED
    return made


def raised(error):
    """What `sys.exc_info` says while the error is handled."""
    try:
        raise error  # noqa: TRY301 - raised to have a traceback
    except Exception as caught:  # noqa: BLE001 - any error is what the tests pass in
        return (type(caught), caught, caught.__traceback__)


def test_a_json_line_says_when_how_grave_who_and_what(scrubber):
    """The envelope of a line, exactly."""
    assert JsonFormatter(scrubber).format(record("sum %s", 17, level=logging.WARNING)) == snapshot(
        '{"ts": "2026-03-01T09:30:00.250Z", "level": "warning", "logger": "shop.orders", "message": "sum 17"}'
    )


def test_every_line_says_what_it_was_written_for(log):
    """Also without an exporter, the spans bind the ids to lines of any logger, and take them back."""
    telemetry = Telemetry()
    logger = logging.getLogger("shop.orders")
    with telemetry.run_span(run_id="run_1", workflow="answer"):
        logger.info("in the run")
        with telemetry.step_span(step_id="step_1", step="draft"):
            with telemetry.call_span(call_id="call_1", prompt_id="draft-reply", prompt_version="v2"):
                logger.info("in the call")
            logger.info("in the step")
    logger.info("outside")
    envelope = {"ts", "level", "logger", "message"}
    assert [{key: line[key] for key in line.keys() - envelope} for line in log.lines] == [
        {"run_id": "run_1"},
        {
            "run_id": "run_1",
            "step_id": "step_1",
            "step": "draft",
            "call_id": "call_1",
            "prompt_id": "draft-reply",
            "prompt_version": "v2",
        },
        {"run_id": "run_1", "step_id": "step_1", "step": "draft"},
        {},
    ]


async def test_concurrent_tasks_do_not_see_each_other(log):
    """Fifty runs at once, also through threads: each line names its own run."""
    telemetry = Telemetry()
    logger = logging.getLogger("shop.orders")
    gate = asyncio.Barrier(50)

    async def run(number):
        with telemetry.run_span(run_id=f"run_{number}", workflow="answer"):
            await gate.wait()
            with telemetry.step_span(step_id=f"step_{number}", step="draft"):
                await gate.wait()
                logger.info("%s", number)
                await asyncio.to_thread(logger.info, "%s", number)

    await asyncio.gather(*(run(number) for number in range(50)))
    assert len(log.lines) == 100
    for line in log.lines:
        assert (line["run_id"], line["step_id"]) == (f"run_{line['message']}", f"step_{line['message']}")


@settings(max_examples=60, deadline=None)
@given(text=st.text(st.characters(), max_size=200))
def test_no_text_can_break_a_line_or_steer_a_terminal(text):
    """Whatever is logged stays on one line, is valid JSON, and holds no control character."""
    made = record("%s", text)
    line = JsonFormatter(Scrubber()).format(made)
    assert line.isascii()
    assert len(line.splitlines()) == 1
    assert not [each for each in json.loads(line)["message"] if ord(each) < 32 and each not in "\n\t"]
    plain = TextFormatter(Scrubber()).format(made)
    assert len(plain.splitlines()) == 1
    assert plain.encode()
    assert not [each for each in plain if ord(each) < 32 or 0x7F <= ord(each) < 0xA0]


def test_a_forged_line_is_written_out(scrubber):
    """Line breaks, colours and marks that turn the direction of text are shown as what they are."""
    made = record("%s", "a\r\n2026 INFO forged \x1b[31mred\u202eold\u2028")
    assert TextFormatter(scrubber).format(made) == snapshot(
        "2026-03-01T09:30:00.250Z INFO    shop.orders  a\\r\\n2026 INFO forged \\x1b[31mred\\u202eold\\u2028"
    )


def test_fields_of_the_text_format_are_quoted_where_needed(log, scrubber):
    """A value cannot pass for another field."""
    log.configure(log_format="text")
    Telemetry(scrubber=scrubber).emit("worker.started", worker_id='w" host="x', host="h\n1", concurrency=4)
    assert log.text.split("Z ", 1)[1] == snapshot(
        'INFO    roadworthy.events  worker.started  worker_id="w\\" host=\\"x"  host="h\\n1"  concurrency=4\n'
    )


def test_a_traceback_in_the_text_format_is_set_apart(scrubber):
    """Each of its lines is indented behind a bar, so that its text cannot pass for a log line."""
    made = record("failed", exc_info=raised(ValueError("x\n2026-03-01T00:00:00.000Z INFO forged")))
    head, *trace = TextFormatter(scrubber, capture_content=True).format(made).split("\n")
    assert "failed" in head
    assert trace
    assert all(line.startswith("    | ") for line in trace)


def test_a_long_value_is_cut(log):
    """8,192 characters are kept, and the line says how many there were."""
    logging.getLogger("x").info("y" * 100_000)
    assert log.lines[0]["message"] == "y" * 8192 + "...[cut, 100000 characters in all]"


@pytest.mark.parametrize(
    ("error", "shown"),
    [
        (ValueError("the ticket says: help"), WITHHELD),
        (InvalidInput("'help' is no ticket"), WITHHELD),
        (KeyError(), ""),
        (FileNotFoundError(2, "No such file: the ticket says help"), "No such file or directory"),
        (ConfigurationError("No model 'm'.", hint="Add it."), "No model 'm'. Add it."),
        (
            ProviderError("m is down.", kind=ErrorKind.UNAVAILABLE, provider_text="the ticket says: help"),
            "m is down.",
        ),
    ],
)
def test_the_text_of_an_exception_is_withheld_where_it_may_quote_content(scrubber, error, shown):
    """Class and frames are shown; the text only when it is ours and quotes nothing, or the system's."""
    line = json.loads(JsonFormatter(scrubber).format(record("failed", exc_info=raised(error))))
    assert line["error_type"] == type(error).__qualname__
    assert line["error"] == shown
    assert "in raised" in line["traceback"]
    assert "help" not in json.dumps(line)


def test_with_capture_content_the_text_of_an_exception_is_shown(scrubber):
    """Causes come first, as they happened; members of a group are named."""
    cause = raised(ValueError("the ticket says: help"))[1]
    group = ExceptionGroup("two", [TypeError("one"), KeyError("other")])
    group.__cause__ = cause
    line = json.loads(
        JsonFormatter(scrubber, capture_content=True).format(record("failed", exc_info=raised(group)))
    )
    assert line["error"] == "two (2 sub-exceptions)"
    assert line["traceback"].index("ValueError: the ticket says: help") < line["traceback"].index(
        "ExceptionGroup"
    )
    assert "  with TypeError: one\n" in line["traceback"]


def test_configure_replaces_only_what_it_set_up(log):
    """Called twice, there is one handler of ours; handlers of others stay."""
    other = logging.NullHandler()
    logging.getLogger().addHandler(other)
    log.configure(log_level="warning").configure(log_level="debug")
    logging.getLogger("x").debug("once")
    assert [line["message"] for line in log.lines] == ["once"]
    assert other in logging.getLogger().handlers


def test_talkative_libraries_are_quiet_unless_debugging(log):
    """At `info`, a library's every request is not shown; its warnings are."""
    logging.getLogger("httpx").info("HTTP Request: GET https://example.com")
    logging.getLogger("httpx").warning("odd")
    assert [line["message"] for line in log.lines] == ["odd"]


@pytest.mark.slow
def test_library_use_leaves_the_root_logger_alone():
    """Importing and using telemetry adds nothing to the root logger and prints nothing."""
    code = (
        "import logging\n"
        "from roadworthy.telemetry import Telemetry\n"
        "Telemetry().emit('worker.lost', worker_id='w', runs=1)\n"
        "assert not logging.getLogger().handlers and logging.getLogger().level == logging.WARNING\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_stream_of_another_encoding_takes_every_text(tmp_path, scrubber):
    """JSON lines are ASCII, so that no terminal's or file's encoding can refuse them."""
    from roadworthy.telemetry import configure

    path = tmp_path / "log"
    with path.open("w", encoding="ascii") as stream:
        configure(TelemetrySettings(), scrubber, stream=stream)
        logging.getLogger("x").info("größe \ud83d")
    assert json.loads(path.read_text(encoding="ascii"))["message"] == "größe \\ud83d"
