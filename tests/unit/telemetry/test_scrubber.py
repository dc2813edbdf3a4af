"""No secret gets out, in any spelling or position, and no text makes the scrubber slow."""

import base64
import io
import json
import logging
from urllib.parse import quote, quote_plus, urlencode

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from roadworthy.settings import TelemetrySettings
from roadworthy.telemetry import MARK, JsonFormatter, Scrubber, TextFormatter
from roadworthy.telemetry.scrubber import SHAPES, VALUE_LIMIT
from roadworthy.telemetry.telemetry import EVENT_LOGGER, Telemetry

# brackets stand only in the mark, so that it and the text around it cannot make up a secret by chance
texts = st.text(st.characters(exclude_characters="[]", exclude_categories=["Cs"]), max_size=40)
secrets = st.text(
    st.characters(exclude_characters="[]", exclude_categories=["Cs"]), min_size=4, max_size=60
).filter(lambda secret: secret not in MARK and len(set(secret)) > 2)


@settings(max_examples=60, deadline=None)
@given(secret=secrets, before=texts, after=texts)
@example(secret="00'\x80", before="", after='"')
def test_a_registered_secret_is_found_in_every_spelling(secret, before, after):
    """Raw, in reprs of texts and containers, in JSON or bytes: what comes out has the mark instead."""
    scrubber = Scrubber()
    assert scrubber.register(secret)
    whole = before + secret + after
    assert secret not in scrubber.scrub(whole)
    for written in (
        repr(whole),
        repr({"key": [whole]}),
        repr(repr(whole)),
        ascii(whole),
        json.dumps({"key": whole}),
        json.dumps(whole, ensure_ascii=False),
        str(whole.encode()),
    ):
        assert MARK in scrubber.scrub(written)


@settings(max_examples=60, deadline=None)
@given(secret=secrets, before=texts, after=texts)
def test_an_encoded_secret_cannot_be_decoded_from_the_output(secret, before, after):
    """The URL-encoded and base64 forms of the secret are gone too, at every offset."""
    scrubber = Scrubber()
    scrubber.register(secret)
    whole = before + secret + after
    assert quote(secret, safe="") not in scrubber.scrub(quote(whole, safe=""))
    assert quote(secret) not in scrubber.scrub(quote(whole))
    assert quote_plus(secret) not in scrubber.scrub(urlencode({"q": whole}))
    encoded = scrubber.scrub(base64.b64encode(whole.encode()).decode())
    if len(secret.encode()) >= 10:
        assert MARK in encoded


@settings(max_examples=60, deadline=None)
@given(secret=secrets, cut=st.integers(0, 60), before=texts)
def test_a_secret_split_over_arguments_is_found_in_the_line(secret, cut, before):
    """What counts is the line as it is written, not the pieces it was made from."""
    scrubber = Scrubber()
    scrubber.register(secret)
    record = logging.LogRecord(
        "x", logging.INFO, "f", 1, "%s%s%s %r", (before, secret[:cut], secret[cut:], {secret: 1}), None
    )
    message = json.loads(JsonFormatter(scrubber).format(record))["message"]
    text = TextFormatter(scrubber).format(record)[len("2026-03-01T09:30:00.250Z INFO") :]
    for line in (message, text):
        assert secret not in line
        assert MARK in line


@settings(max_examples=60, deadline=None)
@given(secret=secrets, before=st.integers(0, 2 * VALUE_LIMIT), repeat=st.integers(1, 400))
def test_a_cut_never_leaves_part_of_a_secret(secret, before, repeat):
    """Where a long value is cut, a secret that lies across the cut is not left in half."""
    scrubber = Scrubber()
    secret = f"<{secret}>" * 3
    scrubber.register(secret)
    out = scrubber.clip("." * before + secret * repeat)
    assert secret not in out
    assert "<" not in out
    assert len(out) <= VALUE_LIMIT + 60


def test_a_text_found_clean_is_looked_at_again_once_it_is_a_secret(scrubber):
    """What is remembered as clean does not outlive the registration of a secret in it."""
    assert scrubber.clip("route red-queen") == "route red-queen"
    scrubber.register("red-queen")
    assert scrubber.clip("route red-queen") == f"route {MARK}"


def test_a_short_text_is_cut_where_less_is_allowed(scrubber):
    """A text that is remembered as clean still obeys a smaller limit."""
    assert scrubber.clip("abcdef") == "abcdef"
    assert scrubber.clip("abcdef", limit=3) == "abc...[cut, 6 characters in all]"


def test_more_texts_than_are_remembered_are_all_clean(scrubber):
    """What is remembered is bounded, and forgetting changes nothing."""
    seen = [f"run_{number}" for number in range(5_000)]
    assert [scrubber.clip(text) for text in seen * 2] == seen * 2


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("Authorization: Bearer abc.def-123", "abc.def-123"),
        ("{'Authorization': 'Basic dXNlcjpwYXNz', 'a': 1}", "dXNlcjpwYXNz"),
        ("headers=[('authorization', 'Token qwertz')]", "qwertz"),
        ('{"authorization": ["Bearer q1w2e3r4t5"]}', "q1w2e3r4t5"),
        ("authorization=b'Bearer q1w2e3r4t5'", "q1w2e3r4t5"),
        (r"{\"Authorization\": \"Bearer q1w2e3r4t5\"}", "q1w2e3r4t5"),
        ("sent bearer 0123456789abcdef", "0123456789abcdef"),
        ("key sk-ant-api03-AbCdEf_123-xyz used", "AbCdEf_123-xyz"),
        ("sk_live_0123456789abcdef", "0123456789abcdef"),
        ("AKIAIOSFODNN7EXAMPLE", "IOSFODNN7EXAMPLE"),
        ("xoxb-1234-5678-abcdef", "1234-5678-abcdef"),
        ("ghp_0123456789abcdefghijABCDEFGHIJ012345", "0123456789abcdefghij"),
        ("AIzaSyA0123456789abcdefghijklmnopqrstuv", "SyA0123456789"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl", "eyJzdWIiOiIxIn0"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIE\nabc\n-----END RSA PRIVATE KEY-----", "MIIE"),
        ("'-----BEGIN PRIVATE KEY-----\\nMIIE\\nabc", "MIIE"),
        ("postgresql://app:hunter2@db/prod", "hunter2"),
        ("postgresql://app:hun:t@er2@db/prod", "er2"),
        ("redis://:hunter2@cache:6379/0", "hunter2"),
        ("GET /v1?api_key=abc123&x=1", "abc123"),
        ("{'api-key': 'abc 123'}", "abc 123"),
        ('{"client_secret": "abc\'123"}', "abc"),
        ("password = hunter2", "hunter2"),
        ("PASSWORD:hunter2;", "hunter2"),
        ("AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI/K7MDENG", "wJalrXUtnFEMI/K7MDENG"),
        ("x-api-key: 0a1b2c", "0a1b2c"),
        ("access_token%3Dabc123", "abc123"),
    ],
)
def test_the_shape_of_a_secret_is_enough(scrubber, text, secret):
    """What looks like a credential is removed although nobody registered it."""
    out = scrubber.scrub(text)
    assert secret not in out
    assert MARK in out


@pytest.mark.parametrize(
    "text",
    [
        "input_tokens=512 output_tokens=20",
        "idempotency key: order-17",
        "the risk-assessment-form at https://example.com/a:b?x=1",
        "a basic understanding of the bearer of this letter",
        "mail me at a@example.com: 12:30",
        "sk-1",
        "postgresql://db/prod",
        "Reply with the word: secretariat",
    ],
)
def test_ordinary_text_stays_as_it_is(scrubber, text):
    """Words that only resemble a credential are not removed."""
    assert scrubber.scrub(text) == text


@pytest.mark.parametrize("secret", ["", "a", "abc"])
def test_a_secret_too_short_to_recognise_is_refused(scrubber, secret):
    """Registering it says so, and ordinary text stays readable."""
    assert not scrubber.register(secret)
    assert scrubber.scrub("a cab, abc") == "a cab, abc"


def test_the_url_keeps_what_is_not_secret(scrubber):
    """Only the password goes; user and host still tell which database it is."""
    assert scrubber.scrub("postgresql://app:hunter2@db/prod") == f"postgresql://app:{MARK}@db/prod"


UNITS = [
    "a",
    " ",
    "é",
    "a:",
    '\\"',
    "authorization",
    "Authorization     ",
    "Authorization: x\n",
    "-----BEGIN ",
    "-----BEGIN PRIVATE KEY-----",
    "-----BEGIN PRIVATE KEY----------END ",
    "://",
    "x://a:",
    "://a:b",
    "://" + "a" * 250 + ":" + "b" * 500,
    "password",
    "password =  ",
    "api_key=",
    'token"""" ',
    "accessaccess_key",
    "eyJ",
    "eyJaaaaaaaa.",
    "sk-",
    "sk-aaaaaaaa ",
    "AKIA",
    "xoxb-",
    "ghp_",
    "bearer ",
    "bearer a",
    "basic " + "a" * 70 + " ",
]


@pytest.mark.parametrize("unit", UNITS)
def test_a_hostile_line_is_scrubbed_to_its_end(unit):
    """No repetition hides a secret behind it; `benchmarks/telemetry.py` shows what such lines cost."""
    scrubber = Scrubber()
    secret = "p@ss/w'ör\"d-" + "x" * 30
    scrubber.register(secret)
    every_hint = " ".join(hint for shape in SHAPES for hint in shape.hints)
    line = (unit * (100_000 // len(unit) + 1))[:100_000] + every_hint + f" {secret}"
    assert secret not in scrubber.scrub(line)


def test_a_huge_value_is_cut_before_it_is_searched(scrubber):
    """What is left says how much there was."""
    assert scrubber.clip("password=x " * 5_000_000).endswith("...[cut, 55000000 characters in all]")


def test_secrets_are_scrubbed_from_events_and_exceptions(log, scrubber):
    """Event fields, the error's text and its traceback all pass the scrubber."""
    scrubber.register("hunter2-hunter2")
    telemetry = Telemetry(TelemetrySettings(capture_content=True), scrubber=scrubber)
    log.configure(capture_content=True)
    try:
        raise ValueError("rejected hunter2-hunter2")  # noqa: TRY301 - the line with the secret is in the traceback
    except ValueError as error:
        telemetry.emit("prompt.registered", error=error, prompt_id="hunter2-hunter2", prompt_version="v1")
        logging.getLogger("any").exception("failed with %s", {"x": "hunter2-hunter2"})
    assert "hunter2" not in log.text
    assert log.lines[0]["logger"] == EVENT_LOGGER
    assert log.lines[0]["prompt_id"] == MARK
    assert log.lines[1]["error"] == f"rejected {MARK}"


def test_a_value_that_cannot_be_shown_is_named(scrubber):
    """A broken `__str__` or arguments that do not fit lose neither the line nor the secret."""

    class Broken:
        def __str__(self):
            raise RuntimeError("hunter2-hunter2")

    scrubber.register("hunter2-hunter2")
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter(scrubber))
    logger = logging.getLogger("odd")
    logger.propagate = False
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    logger.info("%s", Broken())
    logger.info("%d and %d", *("hunter2-hunter2",))
    first, second = map(json.loads, stream.getvalue().splitlines())
    assert "Broken" in first["message"] or "%s" in first["message"]
    assert second["message"] == f"%d and %d ('{MARK}',)"
