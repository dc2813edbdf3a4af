"""A log to read, and a loopback collector that takes real OTLP/HTTP requests."""

import io
import json
import logging
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from roadworthy.settings import TelemetrySettings
from roadworthy.telemetry import Scrubber, configure


def plain(value):
    """An OTLP value as Python has it."""
    kind = value.WhichOneof("value")
    return (
        [plain(item) for item in value.array_value.values] if kind == "array_value" else getattr(value, kind)
    )


class Collector:
    """What arrived; answers with `status`, or not before `hold` is set when it is told to hang."""

    def __init__(self):
        self.requests = []
        self.status = 200
        self.hang = False
        self.hold = threading.Event()
        self.entered = threading.Event()
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                collector.entered.set()
                if collector.hang:
                    collector.hold.wait(20)
                    return
                collector.requests.append((self.path, dict(self.headers), body))
                self.send_response(collector.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *args):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)
        self.thread.start()
        self.endpoint = f"http://127.0.0.1:{self.server.server_address[1]}"

    @staticmethod
    def attributes(pairs):
        """OTLP key-value pairs as a dict."""
        return {pair.key: plain(pair.value) for pair in pairs}

    def batches(self):
        """Every request, decoded."""
        return [ExportTraceServiceRequest.FromString(body) for _, _, body in self.requests]

    def spans(self):
        """Every span by its name."""
        return {
            span.name: span
            for batch in self.batches()
            for resource in batch.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        }

    def close(self):
        """Stop listening, and let go of who was kept waiting."""
        self.hold.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def collector():
    """A collector on a free port of the loopback address."""
    collector = Collector()
    yield collector
    collector.close()


@pytest.fixture
def scrubber():
    """One that knows no secret yet."""
    return Scrubber()


@pytest.fixture(autouse=True)
def logging_as_before():
    """Logging is the process's own; each test leaves it as it found it."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def log(scrubber):
    """Set up logging as the command line does, and read its lines."""
    stream = io.StringIO()

    class Log:
        def configure(self, **settings):
            configure(TelemetrySettings(**settings), scrubber, stream=stream)
            return self

        @property
        def text(self):
            return stream.getvalue()

        @property
        def lines(self):
            return [json.loads(line) for line in stream.getvalue().splitlines()]

    return Log().configure()
