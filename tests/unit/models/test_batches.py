"""The parts of a batch that need no provider: what a handle remembers, and the body that is written first."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadworthy.errors import ErrorKind, InvalidInput
from roadworthy.models import Message, Request
from roadworthy.models.provider_batch import BatchHandle, BatchItem
from roadworthy.models.providers.batches.manifest import Manifest
from roadworthy.models.providers.batches.spool import Spool

NAMES = st.text("abcXYZ019_-", min_size=1, max_size=46)


def item(name, *, structured=False):
    """An item that wants text, or JSON."""
    schema = {"type": "object"} if structured else None
    return BatchItem(name, Request((Message("user", "hi"),), 1, output_schema=schema))


@given(
    wanted=st.dictionaries(NAMES, st.tuples(st.booleans(), st.sampled_from([None, *ErrorKind])), max_size=8)
)
def test_a_handle_remembers_its_items(wanted):
    """After a way through JSON the manifest has the same ids, in order, and knows what was not sent."""
    manifest = Manifest()
    for name, (structured, not_sent) in wanted.items():
        manifest.add(item(name, structured=structured))
        if not_sent is not None:
            manifest.not_sent[name] = not_sent

    kept = json.loads(json.dumps(BatchHandle("p", "b-1", manifest.to_extra()).to_json()))
    found = Manifest.of(BatchHandle.from_json(kept))

    assert found == manifest
    assert list(found.custom_ids) == list(wanted)
    assert list(found.numbers().values()) == list(range(1, len(wanted) - len(manifest.not_sent) + 1))


def test_an_id_is_taken_once():
    """A second item of the same id is refused by its name."""
    manifest = Manifest()
    manifest.add(item("a"))
    with pytest.raises(InvalidInput, match="'a'"):
        manifest.add(item("a"))


def test_a_handle_without_items_remembers_none():
    """What was found without its items has no manifest, rather than an empty one."""
    assert Manifest.of(BatchHandle("p", "b-1")) is None


@pytest.mark.parametrize("pieces", [[], [b"a"], [b"abc", b"", b"de"], [b"x" * 300_000] * 20])
async def test_a_spool_gives_back_what_was_put_in(pieces):
    """Small or larger than memory is meant to hold, the bytes come back in order, as often as asked."""
    spool = Spool()
    try:
        for piece in pieces:
            await spool.add(piece)
        whole = b"".join(pieces)
        assert spool.size_bytes == len(whole)
        for _ in range(2):
            assert b"".join([piece async for piece in spool.pieces()]) == whole
        assert (await spool.file()).read() == whole
    finally:
        spool.close()
