"""A body that is written piece by piece and sent afterwards: in memory while small, then in a file.

The file has no name, so nothing of it is left behind, whatever ends the process.
"""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from typing import IO

_IN_MEMORY_BYTES = 4_000_000
_PIECE_BYTES = 256_000


class Spool:
    """Bytes, first in, first out. Close it."""

    def __init__(self) -> None:
        self._file = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY_BYTES)  # noqa: SIM115  # see close
        self._pending = bytearray()
        self.size_bytes = 0

    async def add(self, piece: bytes) -> None:
        """Put it behind what is there."""
        self._pending += piece
        self.size_bytes += len(piece)
        if len(self._pending) >= _PIECE_BYTES:
            await self._flush()

    async def file(self) -> IO[bytes]:
        """All of it as a file, at its start."""
        await self._flush()
        await asyncio.to_thread(self._file.seek, 0)
        return self._file

    async def pieces(self) -> AsyncIterator[bytes]:
        """All of it from the start, in pieces."""
        file = await self.file()
        while piece := await asyncio.to_thread(file.read, _PIECE_BYTES):
            yield piece

    def close(self) -> None:
        """Give memory and disk back."""
        self._file.close()

    async def _flush(self) -> None:
        pending, self._pending = self._pending, bytearray()
        await asyncio.to_thread(self._file.write, pending)
