"""Spans reach a real OTLP collector, and a collector that fails or hangs costs nothing but spans."""

import json
import subprocess
import sys
import threading
import time
import warnings
from decimal import Decimal

import pytest

from roadworthy.errors import ErrorKind, ProviderError
from roadworthy.records import Usage
from roadworthy.settings import TelemetrySettings
from roadworthy.telemetry import MARK, SPAN_ATTRIBUTES, Telemetry
from roadworthy.telemetry.export import traces_address

ERROR = 2
CLIENT = 3


@pytest.fixture
def open_telemetry(collector, scrubber):
    """Telemetry that sends to the collector, closed after the test."""
    opened = []

    def open_(**changes):
        chosen = {"exporter": "otlp", "endpoint": collector.endpoint, "service_name": "desk"} | changes
        opened.append(
            Telemetry(TelemetrySettings(**chosen), environment="staging", scrubber=scrubber, strict=True)
        )
        return opened[-1]

    yield open_
    for telemetry in opened:
        telemetry.close(0.5)


def one_run(telemetry, **run):
    """A run with one step, one call, and two attempts of which the first fails."""
    with telemetry.run_span(run_id="run_1", workflow="answer", **run) as run_span:
        with (
            telemetry.step_span(step_id="step_1", step="draft", kind="call"),
            telemetry.call_span(
                call_id="call_1", prompt_id="reply", prompt_version="v2", prompt_hash="ab12", route="main"
            ) as call,
        ):
            with (
                pytest.raises(ProviderError),
                telemetry.attempt_span(
                    number=1, model="sonnet", provider="bedrock", request_model="claude-1"
                ),
            ):
                raise ProviderError("sonnet is down.", kind=ErrorKind.UNAVAILABLE, status=503)
            with telemetry.attempt_span(
                number=2, model="gpt", provider="openai", request_model="gpt-5", reason="fallback", rung="gpt"
            ) as attempt:
                attempt.set(
                    response_model="gpt-5-2026-01-01",
                    response_id="resp_1",
                    finish_reason="stop",
                    usage=Usage(100, 20, 60, 10),
                    cost_usd=Decimal("0.000125"),
                    http_status=200,
                    temperature=0.0,
                )
                attempt.capture(messages=[("user", "my ticket")], answer="my reply")
                telemetry.emit(
                    "attempt.finished",
                    call_id="call_1",
                    number=2,
                    model="gpt",
                    provider="openai",
                    duration_seconds=0.5,
                    cost_usd=Decimal("0.000125"),
                )
                telemetry.emit(
                    "budget.overrun",
                    budget="daily",
                    model="gpt",
                    cost_usd=Decimal("0.000125"),
                    reserved_usd=Decimal("0.0001"),
                )
            call.set(rung="gpt", attempts=2, usage=Usage(100, 20), cost_usd=Decimal("0.000125"))
        run_span.set(status="succeeded")
        return telemetry.traceparent()


def test_a_run_arrives_as_one_tree_with_its_attributes(open_telemetry, collector):
    """Run, step, call and attempts, each below the other, with the names of the GenAI conventions."""
    telemetry = open_telemetry()
    one_run(telemetry)
    assert telemetry.flush()
    spans = collector.spans()
    run, step, call, failed, answered = (
        spans[name]
        for name in ("invoke_workflow answer", "call draft", "call reply@v2", "chat claude-1", "chat gpt-5")
    )
    assert len({span.trace_id for span in spans.values()}) == 1
    parents = [run.span_id, step.span_id, call.span_id, call.span_id]
    assert run.parent_span_id == b""
    assert [span.parent_span_id for span in (step, call, failed, answered)] == parents
    assert collector.attributes(run.attributes) == {
        "roadworthy.run.id": "run_1",
        "gen_ai.workflow.name": "answer",
        "gen_ai.operation.name": "invoke_workflow",
        "roadworthy.status": "succeeded",
    }
    assert collector.attributes(call.attributes) == {
        "roadworthy.run.id": "run_1",
        "roadworthy.step.id": "step_1",
        "roadworthy.step.name": "draft",
        "roadworthy.call.id": "call_1",
        "roadworthy.prompt.id": "reply",
        "gen_ai.prompt.name": "reply",
        "roadworthy.prompt.version": "v2",
        "roadworthy.prompt.content_hash": "ab12",
        "roadworthy.route": "main",
        "roadworthy.rung": "gpt",
        "roadworthy.attempts": 2,
        "roadworthy.usage.input_tokens": 100,
        "roadworthy.usage.output_tokens": 20,
        "roadworthy.total_cost_usd": 0.000125,
    }
    assert collector.attributes(answered.attributes) == {
        "roadworthy.run.id": "run_1",
        "roadworthy.step.id": "step_1",
        "roadworthy.step.name": "draft",
        "roadworthy.call.id": "call_1",
        "roadworthy.prompt.id": "reply",
        "roadworthy.prompt.version": "v2",
        "roadworthy.attempt.number": 2,
        "roadworthy.attempt.reason": "fallback",
        "roadworthy.model": "gpt",
        "roadworthy.rung": "gpt",
        "roadworthy.cost_usd": 0.000125,
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-5",
        "gen_ai.request.temperature": 0.0,
        "gen_ai.response.model": "gpt-5-2026-01-01",
        "gen_ai.response.id": "resp_1",
        "gen_ai.response.finish_reasons": ["stop"],
        "gen_ai.usage.input_tokens": 100,
        "gen_ai.usage.output_tokens": 20,
        "gen_ai.usage.cache_read.input_tokens": 60,
        "gen_ai.usage.cache_creation.input_tokens": 10,
        "http.response.status_code": 200,
    }
    assert answered.kind == CLIENT
    assert [
        (event.name, collector.attributes(event.attributes)["roadworthy.cost_usd"])
        for event in answered.events
    ] == [("budget.overrun", 0.000125)]
    assert failed.status.code == ERROR
    assert collector.attributes(failed.attributes)["error.type"] == "unavailable"
    assert collector.attributes(failed.attributes)["gen_ai.provider.name"] == "aws.bedrock"
    (event,) = failed.events
    assert (event.name, collector.attributes(event.attributes)["exception.message"]) == (
        "exception",
        "sonnet is down.",
    )


def test_the_resource_says_which_service_and_environment(open_telemetry, collector):
    """The collector can tell staging from production; the path is that of OTLP/HTTP."""
    telemetry = open_telemetry()
    one_run(telemetry)
    assert telemetry.flush()
    resource = collector.attributes(collector.batches()[0].resource_spans[0].resource.attributes)
    assert resource["service.name"] == "desk"
    assert resource["deployment.environment.name"] == "staging"
    assert collector.requests[0][0] == "/v1/traces"


def test_a_run_continued_by_another_process_joins_its_trace(open_telemetry, collector):
    """What the first worker stored is enough for the second, also when the first never exported its span."""
    first, second = open_telemetry(), open_telemetry()
    lost = first.run_span(run_id="run_1", workflow="answer")
    with lost:
        stored = first.traceparent()
    one_run(second, traceparent=stored)
    assert second.flush()
    span = collector.spans()["invoke_workflow answer"]
    assert stored.startswith(f"00-{span.trace_id.hex()}-{span.parent_span_id.hex()}-")


@pytest.mark.parametrize(
    "broken",
    [
        "",
        "x",
        "00-0-0-01",
        f"00-{'0' * 32}-{'1' * 16}-01",
        f"ff-{'1' * 32}-{'1' * 16}-01",
        "00-" + "1" * 5000,
    ],
)
def test_a_traceparent_that_says_nothing_starts_a_new_trace(open_telemetry, collector, broken):
    """A damaged value is ignored; the run is traced all the same."""
    telemetry = open_telemetry()
    one_run(telemetry, traceparent=broken)
    assert telemetry.flush()
    assert collector.spans()["invoke_workflow answer"].parent_span_id == b""


def test_no_content_leaves_unless_it_is_asked_for(open_telemetry, collector):
    """With `capture_content` the attempt carries messages and answer; without it, their text is nowhere."""
    one_run(quiet := open_telemetry())
    with quiet.step_span(step_id="s", step="x") as span:
        span.fail(ValueError("my ticket"))
    assert quiet.flush()
    assert not [body for _, _, body in collector.requests if b"my ticket" in body or b"my reply" in body]
    telemetry = open_telemetry(capture_content=True)
    one_run(telemetry)
    assert telemetry.flush()
    found = collector.attributes(collector.spans()["chat gpt-5"].attributes)
    assert json.loads(found["gen_ai.input.messages"]) == [
        {"role": "user", "parts": [{"type": "text", "content": "my ticket"}]}
    ]
    assert json.loads(found["gen_ai.output.messages"]) == [
        {"role": "assistant", "parts": [{"type": "text", "content": "my reply"}]}
    ]


def test_no_secret_is_in_a_span(open_telemetry, collector, scrubber):
    """Names, attributes, events, captured content and exceptions are scrubbed."""
    scrubber.register("hunter2-hunter2")
    telemetry = open_telemetry(capture_content=True)
    secret = "hunter2-hunter2"

    def work():
        with telemetry.run_span(run_id=secret, workflow=secret):
            with telemetry.attempt_span(number=1, model="m", provider=secret, request_model=secret) as span:
                span.set(finish_reason=secret, response_id="sk-0123456789abcdef", error_kind=secret)
                span.capture(messages=[("user", secret)], answer=secret)
                telemetry.emit("worker.started", worker_id=secret)
            raise ValueError(secret)

    with pytest.raises(ValueError, match="hunter2"):
        work()
    assert telemetry.flush()
    sent = b"".join(body for _, _, body in collector.requests)
    assert b"hunter2" not in sent
    assert b"0123456789abcdef" not in sent
    assert f"invoke_workflow {MARK}" in collector.spans()


def test_a_cancelled_step_is_stopped_and_not_failed(open_telemetry, collector):
    """Being interrupted is no error of the step."""
    telemetry = open_telemetry()
    with pytest.raises(KeyboardInterrupt), telemetry.step_span(step_id="s", step="x"):
        raise KeyboardInterrupt
    assert telemetry.flush()
    (span,) = collector.spans().values()
    assert collector.attributes(span.attributes)["roadworthy.status"] == "stopped"
    assert span.status.code != ERROR


def test_closing_sends_what_is_left_and_can_be_repeated(open_telemetry, collector):
    """Nothing that ended before `close` is lost; afterwards spans are dropped without a word."""
    telemetry = open_telemetry()
    one_run(telemetry)
    telemetry.close()
    assert len(collector.spans()) == 5
    telemetry.close()
    one_run(telemetry)
    assert len(collector.spans()) == 5


def test_closing_works_when_no_more_threads_can_be_started(open_telemetry, collector, monkeypatch):
    """Newer Pythons start no thread while they exit; what is left is sent all the same."""
    telemetry = open_telemetry()
    one_run(telemetry)

    class Unstartable(threading.Thread):
        def start(self):
            raise RuntimeError("can't create new thread at interpreter shutdown")

    with monkeypatch.context() as patch:
        patch.setattr("roadworthy.telemetry.export.Thread", Unstartable)
        telemetry.close(1)
    assert len(collector.spans()) == 5


def test_a_collector_that_refuses_costs_only_spans(open_telemetry, collector, log):
    """The work goes on, `flush` says that it did not work, and one event says how many spans are lost."""
    collector.status = 400
    telemetry = open_telemetry()
    for _ in range(3):
        one_run(telemetry)
        assert not telemetry.flush()
    losses = [line for line in log.lines if line["message"] == "export.failed"]
    assert [(line["spans"], line["endpoint"]) for line in losses] == [(5, collector.endpoint)]
    assert {line["logger"] for line in log.lines} == {"roadworthy.events"}


def test_a_collector_that_hangs_never_blocks(open_telemetry, collector):
    """Spans are opened and closed at full speed meanwhile, and flush and close keep to their time."""
    collector.hang = True
    telemetry = open_telemetry()
    one_run(telemetry)
    start = time.monotonic()
    assert not telemetry.flush(0.2)
    assert collector.entered.wait(5)
    one_run(telemetry)
    telemetry.close(0.2)
    assert time.monotonic() - start < 10  # a collector that hangs does so for longer
    collector.hold.set()


@pytest.mark.slow
def test_a_script_that_forgets_to_close_ends_soon_without_a_collector():
    """At exit, what is left is given a short time, and the exporter's threads print nothing."""
    code = (
        "from roadworthy.settings import TelemetrySettings\n"
        "from roadworthy.telemetry import Telemetry\n"
        "t = Telemetry(TelemetrySettings(exporter='otlp', endpoint='http://127.0.0.1:9'))\n"
        "with t.run_span(run_id='run_1', workflow='w'): pass\n"
    )
    start = time.monotonic()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert time.monotonic() - start < 30


@pytest.mark.slow
def test_a_script_that_forgets_to_close_still_delivers(collector):
    """What ended before the program did is sent on the way out; its own tracer provider is not touched."""
    code = (
        "import sys\n"
        "from opentelemetry import trace\n"
        "before = trace.get_tracer_provider()\n"
        "from roadworthy.settings import TelemetrySettings\n"
        "from roadworthy.telemetry import Telemetry\n"
        "t = Telemetry(TelemetrySettings(exporter='otlp', endpoint=sys.argv[1]))\n"
        "with t.run_span(run_id='run_1', workflow='w'): pass\n"
        "assert trace.get_tracer_provider() is before\n"
    )
    subprocess.run([sys.executable, "-c", code, collector.endpoint], check=True)
    assert "invoke_workflow w" in collector.spans()


def test_credentials_of_the_collector_are_sent_and_never_shown(
    open_telemetry, collector, scrubber, monkeypatch
):
    """Headers come from OpenTelemetry's own variable; their values count as secrets."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-team=topsecret%20team,x-tenant=17")
    telemetry = open_telemetry()
    one_run(telemetry)
    assert telemetry.flush()
    assert {name.lower(): value for name, value in collector.requests[0][1].items()}[
        "x-team"
    ] == "topsecret team"
    assert scrubber.scrub("topsecret team 17") == f"{MARK} 17"


def test_the_console_prints_a_line_of_json_for_each_span(capsys, scrubber):
    """On standard error, so that a program's own output stays clean."""
    telemetry = Telemetry(TelemetrySettings(exporter="console"), scrubber=scrubber)
    one_run(telemetry)
    telemetry.close()
    out, err = capsys.readouterr()
    assert out == ""
    spans = {line["span"]: line for line in map(json.loads, err.splitlines())}
    assert spans["call draft"]["parent_id"] == spans["invoke_workflow answer"]["span_id"]
    assert spans["chat claude-1"]["status"] == "error"
    assert spans["chat gpt-5"]["attributes"]["gen_ai.usage.input_tokens"] == 100


@pytest.mark.parametrize(
    ("endpoint", "address"),
    [
        ("", ""),
        ("http://collector:4318", "http://collector:4318/v1/traces"),
        ("http://collector:4318/", "http://collector:4318/v1/traces"),
        ("https://x.example/otlp", "https://x.example/otlp/v1/traces"),
        ("https://x.example/v1/traces", "https://x.example/v1/traces"),
    ],
)
def test_the_address_is_at_or_below_the_endpoint(endpoint, address):
    """Both spellings that people use lead to the same place."""
    assert traces_address(endpoint) == address


def test_attribute_names_are_those_of_the_conventions():
    """Every name that is not ours is in the conventions' own package."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        from opentelemetry.semconv._incubating.attributes import (
            error_attributes,
            gen_ai_attributes,
            http_attributes,
        )
    known = {
        value
        for module in (error_attributes, gen_ai_attributes, http_attributes)
        for value in vars(module).values()
        if isinstance(value, str)
    }
    names = [attribute.name for attribute in SPAN_ATTRIBUTES.values()]
    assert len(names) == len(set(names))
    assert {name for name in names if not name.startswith("roadworthy.")} <= known


def test_spans_of_the_project_itself_find_their_place(open_telemetry, collector):
    """Code that uses OpenTelemetry's API sees our open span as the current one, and only while it is open."""
    from opentelemetry import trace

    telemetry = open_telemetry()
    with telemetry.run_span(run_id="run_1", workflow="answer"):
        inside = trace.get_current_span().get_span_context().span_id
    assert telemetry.flush()
    assert collector.spans()["invoke_workflow answer"].span_id == inside.to_bytes(8, "big")
    assert not trace.get_current_span().get_span_context().is_valid


def test_failing_twice_keeps_the_first_kind(open_telemetry, collector, log):
    """What the code set as the kind of error is not replaced by the class of the exception."""
    telemetry = open_telemetry()

    def work():
        with telemetry.step_span(step_id="s", step="x") as span:
            span.set(error_kind="invalid_answer")
            raise ValueError("x")

    with pytest.raises(ValueError, match="x"):
        work()
    assert telemetry.flush()
    (sent,) = collector.spans().values()
    assert collector.attributes(sent.attributes)["error.type"] == "invalid_answer"
    assert not [line for line in log.lines if line["level"] in {"error", "warning"}]
