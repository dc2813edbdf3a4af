"""What all batch APIs on the network have in common: `NetworkBatches`, the `BatchProvider` over a `Service`.

    submit:   item ──► replay writes its body ──► a line of the spool ──► service creates the batch
    results:  service reads a line ──► replay reads its answer ──► BatchResult; then what had no line

At no time is more than one line's worth of a batch in memory, but for the ids.
"""

import asyncio
from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace

from pydantic_core import to_json

from roadworthy.errors import ErrorKind, InvalidInput, ProviderError
from roadworthy.models.provider import Message, Request, RequestFailed
from roadworthy.models.provider_batch import BatchHandle, BatchItem, BatchResult, BatchState, BatchTooLarge
from roadworthy.models.providers.batches.manifest import Manifest
from roadworthy.models.providers.batches.replay import Answer, Replay
from roadworthy.models.providers.batches.service import Cause, Line, Service
from roadworthy.models.providers.batches.spool import Spool

_UNKNOWN_TEXT = Request((Message("user", "-"),), timeout_seconds=1, max_tokens=1)
_UNKNOWN_JSON = replace(_UNKNOWN_TEXT, output_schema={"type": "object"})
"""Stand for requests that nobody has any more: an answer is read by whether JSON was asked for, no more."""

_LEFT_OUT = Cause(ErrorKind.MALFORMED, "was left out of its batch's results", may_be_billed=True)
_FIRST_ERROR_STATUS = 400


class NetworkBatches:
    """One model's batches at one provider."""

    def __init__(self, name: str, provider: str, service: Service, replay: Replay) -> None:
        self._name = name
        self._provider = provider
        self._service = service
        self._replay = replay

    async def submit(self, items: Iterable[BatchItem], *, key: str) -> BatchHandle:
        """Submit the items as one batch."""
        spool = Spool()
        try:
            manifest, betas = await self._write(items, key, spool)
            created = await self._service.create(spool, key, sorted(betas))
        finally:
            spool.close()
        return BatchHandle(self._provider, created.id, {**manifest.to_extra(), **created.extra})

    async def find(
        self, key: str, items: Sequence[BatchItem] = (), *, since_ms: int = 0, known: Collection[str] = ()
    ) -> BatchHandle | None:
        """The batch that was submitted under this key."""
        most = len(items) if items else None
        created = await self._service.find(key, most_items=most, since_ms=since_ms, known=known)
        if created is None:
            return None
        manifest = Manifest()
        for item in items:
            manifest.add(item)
        extra = manifest.to_extra() if items else {}
        return BatchHandle(self._provider, created.id, {**extra, **created.extra})

    async def poll(self, handle: BatchHandle) -> BatchState:
        """How far it is."""
        return (await self._service.look(handle.id)).state

    async def results(
        self, handle: BatchHandle, requests: Mapping[str, Request] | None = None
    ) -> AsyncIterator[BatchResult]:
        """Every item's result, in any order."""
        look = await self._service.look(handle.id)
        if look.state == "running":
            raise ProviderError(
                f"The batch {handle.id!r} of model {self._name!r} still runs.",
                kind=ErrorKind.UNAVAILABLE,
                hint="Ask for its results when `poll` says otherwise.",
            )
        manifest = Manifest.of(handle) or await self._service.manifest(look)
        left = manifest.numbers() if manifest else None
        seen: set[str] = set()
        async with aclosing(self._service.lines(look)) as lines:
            async for line in lines:
                if line.custom_id in seen or (left is not None and left.pop(line.custom_id, None) is None):
                    continue
                seen.add(line.custom_id)
                structured = manifest is None or line.custom_id in manifest.structured
                yield await self._read(line, structured, (requests or {}).get(line.custom_id))
                await asyncio.sleep(0)  # reading is work for the processor; others get their turn
        for custom_id, kind in (manifest.not_sent if manifest else {}).items():
            cause = Cause(kind, "cannot be said to it, and was not sent")
            yield BatchResult(custom_id, error=self._unanswered(cause))
        for custom_id, number in (left or {}).items():
            cause = self._service.cause(look, number) or _LEFT_OUT
            yield BatchResult(custom_id, error=self._unanswered(cause))

    async def cancel(self, handle: BatchHandle) -> None:
        """Ask for its end."""
        try:
            await self._service.cancel(handle.id)
        except ProviderError as error:
            if error.status is None or await self.poll(handle) == "running":
                raise

    async def forget(self, handle: BatchHandle) -> None:
        """Have the provider delete what it keeps."""
        try:
            look = await self._service.look(handle.id)
        except ProviderError as error:
            if error.kind is not ErrorKind.MODEL_NOT_FOUND:
                raise
        else:
            await self._service.forget(look)

    async def close(self) -> None:
        """Close connections."""
        await self._service.close()
        await self._replay.close()

    async def _write(
        self, items: Iterable[BatchItem], key: str, spool: Spool
    ) -> tuple[Manifest, Collection[str]]:
        """Everything into the spool; what was asked, and the features that the requests ask for."""
        service, manifest = self._service, Manifest()
        betas: set[str] = set()
        unsayable: ProviderError | None = None
        await spool.add(service.opening)
        for item in items:
            manifest.add(item)
            try:
                written = await self._replay.write(item.request)
                line = service.line(item.custom_id, written.body, key)
            except ProviderError as error:
                unsayable, manifest.not_sent[item.custom_id] = error, error.kind
                continue
            before = len(manifest.custom_ids) - len(manifest.not_sent) - 1
            line = (service.between if before else b"") + line
            size_bytes = spool.size_bytes + len(line) + len(service.closing)
            if before == service.most_items or size_bytes > service.most_bytes:
                raise self._too_large(fits=len(manifest.custom_ids) - 1)
            await spool.add(line)
            betas.update(filter(None, written.headers.get("anthropic-beta", "").split(",")))
            await asyncio.sleep(0)  # writing is work for the processor; others get their turn
        await spool.add(service.closing)
        if not manifest.custom_ids:
            raise InvalidInput("A batch without requests cannot be submitted.", hint="Give it at least one.")
        if unsayable is not None and len(manifest.not_sent) == len(manifest.custom_ids):
            raise unsayable
        return manifest, betas

    async def _read(self, line: Line, structured: bool, request: Request | None) -> BatchResult:
        if line.cause is not None:
            return BatchResult(line.custom_id, error=self._unanswered(line.cause))
        asked = request or (_UNKNOWN_JSON if structured else _UNKNOWN_TEXT)
        headers = {"content-type": "application/json", **dict([line.request_id] if line.request_id else [])}
        try:
            response = await self._replay.read(asked, Answer(line.status, to_json(line.body), headers))
        except ProviderError as error:
            if line.status >= _FIRST_ERROR_STATUS:
                error.may_be_billed = False  # a batch is billed by what it answered
            if request is None and isinstance(error, RequestFailed):
                error.sent = None
            return BatchResult(line.custom_id, error=error)
        return BatchResult(line.custom_id, response if request else replace(response, sent=None))

    def _unanswered(self, cause: Cause) -> ProviderError:
        return ProviderError(
            f"A request to model {self._name!r} {cause.says}.",
            kind=cause.kind,
            may_be_billed=cause.may_be_billed,
        )

    def _too_large(self, *, fits: int) -> BatchTooLarge:
        error = BatchTooLarge(
            f"The requests to model {self._name!r} are more than its provider takes in one batch.",
            kind=ErrorKind.BAD_REQUEST,
            hint=f"Submit the first {fits} of them, and the others by themselves.",
        )
        error.fits = fits
        return error
