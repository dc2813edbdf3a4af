"""Secrets: unlike each other, known by their looks, and never let out by accident."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadworthy.access import secret as secrets
from roadworthy.access.secret import SecretKind
from roadworthy.settings.secrecy import looks_secret, starts_like_a_key
from roadworthy.telemetry import MARK, Scrubber

SECRET = secrets.make(SecretKind.KEY)


@pytest.mark.parametrize("kind", SecretKind)
def test_a_secret_is_known_as_one_of_its_kind_only(kind):
    """It can be selected by a double click, and holds 256 random bits."""
    made = {secrets.make(kind) for _ in range(200)}
    assert len(made) == 200
    for secret in made:
        assert re.fullmatch(r"rw[slo]?_[0-9A-Za-z]{49}", secret)
        assert [one for one in SecretKind if secrets.well_formed(secret, one)] == [kind]


@given(st.integers(0, len(SECRET) - 1), st.characters())
def test_a_typing_error_is_told_without_asking_anybody(place, other):
    """Any one character that is another one."""
    typed = SECRET[:place] + other + SECRET[place + 1 :]
    assert secrets.well_formed(typed, SecretKind.KEY) == (typed == SECRET)


@given(st.text())
def test_any_text_can_be_asked_about(text):
    """Hostile input is no secret, and no error."""
    assert not secrets.well_formed(text, SecretKind.KEY)


def test_a_secret_gets_neither_into_logs_nor_into_settings():
    """Also where nobody registered it."""
    for kind in SecretKind:
        secret = secrets.make(kind)
        assert Scrubber().scrub(f"GET /x?y={secret} HTTP/1.1") == f"GET /x?y={MARK} HTTP/1.1"
        assert starts_like_a_key(secret)
        assert looks_secret(secret)


def test_a_hint_is_of_no_use():
    """It tells keys apart; 40 characters of the secret are left to guess."""
    assert secrets.hint(SECRET) == SECRET[:8]
    assert len(secrets.fingerprint(SECRET)) == 64
