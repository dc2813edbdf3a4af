"""`SimulatedProvider`: a real HTTP server on loopback, in a thread of its own with its own event loop.

Start it with `with` or `async with`; it listens when the block begins and is gone, thread and socket, when
the block ends, also with requests that hang. Uvicorn speaks HTTP; a subclass of its protocol keeps the
transports, which is the only way to reset a connection.
"""

import asyncio
import contextlib
import socket
import threading
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from roadworthy.errors import ConfigurationError, TransportError
from roadworthy.records import Clock, SystemClock
from roadworthy.testing.simulated.answers import Answer, Answers, Rule, When
from roadworthy.testing.simulated.batches import Batches
from roadworthy.testing.simulated.journal import Journal
from roadworthy.testing.simulated.latency import Latency
from roadworthy.testing.simulated.received import Received

if TYPE_CHECKING:
    from roadworthy.testing.recording import Recording

_LOOPBACK = "127.0.0.1"
_START_SECONDS = 10.0
_STOP_SECONDS = 10.0


class SimulatedProvider:
    """Speaks the wire formats of OpenAI, Anthropic and Google's Gemini, and answers as it is told.

    Answers come from `script`, then `recording`, then `rules`, then an echo of the request that fits its
    schema.
    """

    def __init__(
        self,
        script: Iterable[Answer | When] = (),
        *,
        recording: "Recording | None" = None,
        rules: Iterable[Rule] = (),
        latency: Latency | None = None,
        cache_prefixes: bool = False,
        ledger_path: Path | None = None,
        port: int = 0,
        clock: Clock | None = None,
    ) -> None:
        self.answers = Answers(script, _rule(recording), rules)
        """Script and rules; both can be added to while the server runs."""
        self.port = port
        """The port it listens on; chosen by the system when 0 was given."""
        self._journal = Journal(ledger_path=ledger_path, cache_prefixes=cache_prefixes)
        self._latency = latency
        self._clock = clock or SystemClock()
        self.batches = Batches(self.answers, self._journal, self._clock)
        """The batches that were submitted, and how they go."""
        self._runner: _Runner | None = None

    @property
    def url(self) -> str:
        """Where it listens, as `http://127.0.0.1:41234`: the base URL of Anthropic's and Google's clients."""
        return f"http://{_LOOPBACK}:{self.port}"

    @property
    def base_url(self) -> str:
        """The base URL for OpenAI's client and everything compatible."""
        return f"{self.url}/v1"

    @property
    def requests(self) -> tuple[Received, ...]:
        """Everything that arrived, in order, without keys."""
        return self._journal.requests

    @property
    def count(self) -> int:
        """How many requests arrived."""
        return len(self._journal.requests)

    @property
    def billed(self) -> int:
        """How many requests a provider would charge for, in batches or not."""
        return self._journal.billed

    @property
    def billed_in_batches(self) -> int:
        """How many of those came in a batch: at its price."""
        return self._journal.billed_in_batches

    def add(self, *script: Answer | When) -> None:
        """Add entries at the end of the script."""
        self.answers.extend(script)

    def wait_for(self, count: int, timeout_seconds: float = 10.0) -> None:
        """Block until `count` requests arrived in all.

        Raises:
            TransportError: They did not arrive in time.
        """
        if not self._journal.wait_for(count, timeout_seconds):
            came = self.count
            message = (
                f"Waited {timeout_seconds:g} s for {count} requests to the simulated provider; {came} came."
            )
            raise TransportError(message)

    async def arrived(self, count: int, timeout_seconds: float = 10.0) -> None:
        """The same as `wait_for`, for coroutines."""
        await asyncio.to_thread(self.wait_for, count, timeout_seconds)

    def start(self) -> Self:
        """Listen. Does nothing when it does already."""
        if self._runner is None:
            listening = _listen(self.port)
            self.port = int(listening.getsockname()[1])
            runner = _Runner(self.answers, self._journal, self.batches, self._clock, self._latency, listening)
            runner.start()
            self._runner = runner
        return self

    def stop(self) -> None:
        """Close every connection and end the thread."""
        runner, self._runner = self._runner, None
        if runner is not None:
            runner.stop()

    def serve_forever(self) -> None:
        """Serve until the thread ends: for a process of its own."""
        self.start()
        try:
            if self._runner is not None:
                self._runner.join()
        finally:
            self.stop()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    async def __aenter__(self) -> Self:
        return await asyncio.to_thread(self.start)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.to_thread(self.stop)


def _rule(recording: "Recording | None") -> Rule | None:
    if recording is None:
        return None
    from roadworthy.testing.simulated.recorded import recorded

    return recorded(recording)


def _listen(port: int) -> socket.socket:
    # asyncio sets TCP_NODELAY only where the protocol is named; without it an answer waits 40 ms for an ACK.
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((_LOOPBACK, port))
    except OSError as error:
        listening.close()
        message = f"The simulated provider cannot listen on port {port}: {error.strerror}."
        raise ConfigurationError(message, hint="Choose a free port, or 0 to have one chosen.") from error
    listening.listen(1024)
    return listening


class _Runner:
    """The thread, its event loop and the HTTP server in it."""

    def __init__(
        self,
        answers: Answers,
        journal: Journal,
        batches: Batches,
        clock: Clock,
        latency: Latency | None,
        listening: socket.socket,
    ) -> None:
        self._answers = answers
        self._journal = journal
        self._batches = batches
        self._clock = clock
        self._latency = latency
        self._socket = listening
        self._ready = threading.Event()
        self._failure: BaseException | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None
        self._thread = threading.Thread(target=self._run, name="simulated-provider", daemon=True)

    def start(self) -> None:
        self._thread.start()
        if not self._ready.wait(_START_SECONDS) or self._failure is not None:
            self._socket.close()
            message = "The simulated provider did not start."
            hint = "Install its parts: pip install 'roadworthy[testing]'."
            raise ConfigurationError(message, hint=hint) from self._failure

    def join(self) -> None:
        self._thread.join()

    def stop(self) -> None:
        if self._loop is not None and self._stopping is not None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: the thread has ended already
                self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join(_STOP_SECONDS)

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:  # noqa: BLE001 - handed to the thread that started this one
            self._failure = error
        finally:
            self._ready.set()

    async def _serve(self) -> None:
        from roadworthy.testing.simulated.http import Connections, configured
        from roadworthy.testing.simulated.service import Service

        connections = Connections()
        service = Service(
            self._answers,
            self._journal,
            self._batches,
            clock=self._clock,
            latency=self._latency,
            reset=connections.reset,
        )
        server = configured(service.application(), connections)
        self._stopping = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._batches.serve_here()
        await server.startup(sockets=[self._socket])
        self._ready.set()
        await self._stopping.wait()
        service.stop()
        connections.close()
        await server.shutdown(sockets=[self._socket])
