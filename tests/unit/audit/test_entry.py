"""Who acts, and what is hashed."""

import asyncio
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadworthy.audit import SYSTEM, Actor, ActorKind, Head, Keyring, acting, current_actor
from roadworthy.audit.chain import Chain
from roadworthy.audit.entry import COLUMNS, canonical, detail_text
from roadworthy.errors import ConfigurationError, InvalidInput

VALUES = {name: 1 if name in ("seq", "at") else "" for name in COLUMNS} | {"algorithm": "sha256-1"}


async def test_each_task_has_its_own_actor():
    """Requests that are handled at the same time are not taken for each other."""

    async def request(name):
        with acting(Actor(ActorKind.PERSON, name)):
            await asyncio.sleep(0)
            inner = await asyncio.create_task(asyncio.sleep(0, current_actor().id))
            return inner, current_actor().id

    names = [f"person_{number}" for number in range(5)]
    assert await asyncio.gather(*map(request, names)) == [(name, name) for name in names]
    assert current_actor() == SYSTEM


@given(st.sampled_from([name for name in COLUMNS if name != "hash"]), st.text() | st.integers())
def test_every_field_is_hashed(name, value):
    """Another value of any field is another hash."""
    changed = VALUES | {name: value}
    assert (canonical(changed) == canonical(VALUES)) == (value == VALUES[name])


def test_two_fields_cannot_be_taken_for_one_another():
    """What moves from one field into the next is another entry."""
    one, other = VALUES | {"actor": "ab", "action": "c"}, VALUES | {"actor": "a", "action": "bc"}
    assert canonical(one) != canonical(other)


def test_a_detail_is_bounded_and_in_one_spelling():
    """Whatever it holds."""
    assert detail_text({"b": 1, "a": "x"}, str) == '{"a":"x","b":1}'
    assert len(detail_text({str(number): "x" * 300 for number in range(100)}, str)) < 4_000
    assert json.loads(detail_text({"a": "x" * 100_000}, str))["a"] == "x" * 300


@pytest.mark.parametrize("text", ["", "5", "5:abc", "x:" + "0" * 64, "\u0665:" + "0" * 64, "-1:" + "0" * 64])
def test_what_is_no_head_is_told(text):
    """A head that was cut or mistyped must not pass for one."""
    with pytest.raises(InvalidInput):
        Head.parse(text)


def test_a_signed_chain_takes_no_unsigned_entry():
    """Nor is an entry without a key taken for one that was made with it."""
    with pytest.raises(ConfigurationError, match="key_env"):
        Keyring().require(Head(1, "x", "abcd1234"))
    Keyring(b"k").require(Head(1, "x", "abcd1234"))
    signed = Keyring(b"k")
    values = VALUES | {"prev_hash": ""}
    for algorithm, key_id in (("hmac-sha256-1", ""), ("sha256-1", signed.key_id), ("md5", "")):
        forged = values | {"algorithm": algorithm, "key_id": key_id}
        forged["hash"] = Keyring().hash(values)
        assert Chain(signed).add(forged) == "Entry 1 was changed."
