"""Secrets stay out of files, messages and dumps, and are read where they may be."""

import copy
import json
import pickle
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from roadworthy.errors import SettingsError
from roadworthy.settings import Settings
from roadworthy.settings.secrecy import FromEnvironment, is_secret_name, masked

SECRET = "hunter2-Very-Private-9"
MODEL = '[models.m]\nprovider = "openai"\nmodel = "gpt-x"\n'
SCHEDULE = "[schedules.s]\nworkflow = 'w'\ncron = '* * * * *'\n"


URL = "The URL in 'url' contains a password"
BASE_URL = "The URL in 'base_url' contains a password"


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        (f"{MODEL}api_key = '{SECRET}'", 4, "'api_key' is the name of a secret"),
        (f"{MODEL}apiKey = '${{KEY}}'", 4, "'apiKey' is the name of a secret"),
        (f"{MODEL}options.headers.Authorization = '{SECRET}'", 4, "'Authorization' is the name of a secret"),
        (f"{MODEL}api_key_env = 'sk-proj-{SECRET}'", 4, "The value of 'api_key_env' looks like a secret"),
        (f"{MODEL}base_url = 'https://u:{SECRET}@h/v1'", 4, BASE_URL),
        (f"{MODEL}base_url = 'https://h/v1?api_key={SECRET}'", 4, BASE_URL),
        (f"[database]\npassword = '{SECRET}'", 2, "'password' is the name of a secret"),
        ("[database]\npassword = 12345678", 2, "'password' is the name of a secret"),
        (f"[database]\nurl = 'postgresql://u:{SECRET}@h/db'", 2, URL),
        (f"[database]\nurl = 'postgresql://u:{SECRET}/@h/db'", 2, URL),
        (f"[database]\nurl = 'postgresql://u:${{PW:-{SECRET}}}@h/db'", 2, URL),
        (f"[database]\nurl = '${{DB:-postgresql://u:{SECRET}@h/db}}'", 2, URL),
        (f"[database]\nurl = 'postgresql://h/db?password={SECRET}'", 2, URL),
        (f"{SCHEDULE}input.token = '{SECRET}'", 4, "'token' is the name of a secret"),
    ],
)
def test_a_secret_in_a_file_is_one_fault_that_does_not_repeat_it(project, setenv, text, line, message):
    """Whatever way a secret gets into a settings file, it is refused on its line, and not shown."""
    setenv("PW", SECRET)
    setenv("KEY", SECRET)
    (fault,) = project.faults(text)
    assert (fault.file, fault.line) == ("roadworthy.toml", line)
    assert fault.message.startswith(message)
    assert "Secrets may not stand in a settings file" in fault.message
    assert SECRET not in str(fault)
    assert "12345678" not in str(fault)


def test_a_secret_key_is_refused_from_a_variable_too(project, setenv):
    """A variable cannot bring back what a file may not say."""
    setenv("ROADWORTHY__MODELS__M__API_KEY", SECRET)
    (fault,) = project.faults(MODEL)
    assert "use api_key_env or api_key_file" in fault.message
    assert SECRET not in fault.message


def test_a_secret_that_is_overlaid_is_refused_all_the_same(project):
    """The file that has it is the fault, not the value that counts in the end."""
    project.write("[database]\nurl = 'sqlite:///x.db'", "roadworthy.production.toml")
    (fault,) = project.faults("[database]\nurl = 'postgresql://u:p@h/db'", "production")
    assert (fault.file, fault.line) == ("roadworthy.toml", 2)


@pytest.mark.parametrize(
    "name",
    [
        "api_key",
        "apiKey",
        "X-Api-Key",
        "password",
        "db_password",
        "token",
        "access_token",
        "client_secret",
        "Authorization",
    ],
)
def test_names_of_secrets_are_known(name):
    """The usual names are seen through however they are spelled."""
    assert is_secret_name(name)


@pytest.mark.parametrize(
    "name",
    [
        "max_tokens",
        "context_tokens",
        "api_key_env",
        "api_key_file",
        "key",
        "stop_token",
        "tokenizer",
        "capture_content",
    ],
)
def test_names_that_only_sound_alike_are_left_alone(name):
    """Ordinary settings of models are no secrets."""
    assert not is_secret_name(name)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://u:p@h/db", "postgresql://u:***@h/db"),
        ("postgresql://u:a/b@c#d@h:1/db", "postgresql://u:***@h:1/db"),
        ("postgresql+psycopg://:p@h/db", "postgresql+psycopg://:***@h/db"),
        ("postgresql://h/db?password=p&sslmode=require", "postgresql://h/db?password=***&sslmode=require"),
        ("postgresql://u@h:5432/db", "postgresql://u@h:5432/db"),
        ("sqlite:////var/x.db", "sqlite:////var/x.db"),
    ],
)
def test_urls_are_shown_without_their_password(url, shown):
    """Passwords are masked wherever a URL can have one, also when it was not encoded."""
    assert masked(url) == shown


def test_nothing_that_shows_settings_shows_a_secret(project, setenv):
    """Password, key and a header from the environment work, and are in no repr, str, dump or fault."""
    setenv("PW", SECRET)
    setenv("OPENAI_API_KEY", SECRET)
    setenv("ROADWORTHY__MODELS__M__OPTIONS__EXTRA", SECRET)
    settings = project.load(
        MODEL
        + """
options = { headers = { X-Auth = "Bearer ${PW}" }, list = ["${PW}"] }
[database]
url = "postgresql://desk:${PW}@db.example.com/desk"
[schedules.s]
workflow = "w"
cron = "* * * * *"
input = { text = "${PW}" }
"""
    )
    model = settings.models["m"]
    assert settings.database.url == f"postgresql://desk:{SECRET}@db.example.com/desk"
    assert model.options["headers"] == {"X-Auth": f"Bearer {SECRET}"}
    assert json.dumps(model.options["extra"]) == f'"{SECRET}"'
    key = settings.secret(model)
    assert key is not None
    assert key.get_secret_value() == SECRET
    for part in (settings, settings.database, model, settings.schedules["s"], copy.deepcopy(settings)):
        for shown in (repr(part), str(part), f"{part}", part.model_dump_json(), str(part.model_dump())):
            assert SECRET not in shown
    assert SECRET not in repr((key, settings.missing_secrets(), settings.database.display_url))
    assert SECRET not in repr(settings.__repr_args__())
    assert settings.model_dump()["models"]["m"]["options"]["headers"] == {"X-Auth": "Bearer ${PW}"}
    assert pickle.loads(pickle.dumps(settings)) == settings


SECRETS = st.text("abcXYZ019-_!%", min_size=12, max_size=30).map(lambda text: f"Zq7{text}")
PLACES = st.sampled_from(
    [
        "PROJECT__NAME",
        "PROJECT",
        "DATABASE__URL",
        "DATABASE__DURABILITY",
        "DATABASE__POOL_SIZE",
        "MODELS",
        "MODELS__M",
        "NEW__KEY",
        "MODELS__M__PROVIDER",
        "MODELS__M__API_KEY",
        "MODELS__M__API_KEY_ENV",
        "MODELS__M__PRICES",
        "MODELS__M__FUNCTION",
        "MODELS__M__BASE_URL",
        "ROUTES__R__MODELS",
        "ROUTES__R__THEN",
        "PROMPTS__P__ROUTE",
        "WORKFLOWS__W__ROUTE",
        "SCHEDULES__S__CRON",
        "SCHEDULES__S__TIMEZONE",
        "TELEMETRY__ENDPOINT",
        "TELEMETRY__CAPTURE_CONTENT",
    ]
)


@pytest.mark.slow
@settings(deadline=None, max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    secret=SECRETS,
    place=PLACES,
    wrapped=st.sampled_from(["{}", '["{}"]', '{{ x = "{}" }}', "postgresql://u:{}@h:x/d"]),
)
def test_no_fault_repeats_what_the_environment_said(project, secret, place, wrapped):
    """A secret put by mistake anywhere, by variable or reference, is in no message."""
    value = wrapped.format(secret)
    reference = "[{}]\n{} = '${{THE_SECRET}}'".format(*place.lower().rsplit("__", 1)) if "__" in place else ""
    for text, variable in (("", f"ROADWORTHY__{place}"), (reference, "THE_SECRET")):
        project.write(text)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv(variable, value)
            try:
                Settings.load(project.root)
            except SettingsError as error:
                assert secret not in str(error)  # noqa: PT017  # most values are refused, some fit
                assert secret not in repr(error.faults)  # noqa: PT017
                assert error.__suppress_context__ or error.__context__ is None  # noqa: PT017


@pytest.mark.parametrize("line", ["", "api_key_env = 'MY_KEY'"])
def test_a_key_comes_from_the_variable_that_is_named_or_usual(project, setenv, line):
    """`api_key_env`, or else the provider's own variable, is read when it is asked for, and stripped."""
    settings = project.load(MODEL + line)
    assert settings.secret(settings.models["m"]) is None
    setenv("MY_KEY" if line else "OPENAI_API_KEY", f" {SECRET}\n")
    key = settings.secret(settings.models["m"])
    assert key is not None
    assert key.get_secret_value() == SECRET
    assert settings.missing_secrets() == []


def test_a_key_comes_from_a_file(project):
    """`api_key_file` is relative to the project, and its line break is no part of the key."""
    (project.root / "key").write_text(f"{SECRET}\n")
    settings = project.load(MODEL + "api_key_file = 'key'")
    key = settings.secret(settings.models["m"])
    assert key is not None
    assert key.get_secret_value() == SECRET


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "The file 'key' cannot be read: No such file or directory."),
        (b"", "The file 'key' is empty."),
        (b" \n", "The file 'key' is empty."),
        (b"\xff\xfe", "The file 'key' is not UTF-8 text."),
        (b"one\ntwo", "The file 'key' holds something other than one key"),
        ("clé".encode(), "The file 'key' holds something other than one key"),
    ],
)
def test_a_key_file_that_is_no_use_is_told(project, content, reason):
    """A missing secret is None to the caller, and a fault with its reason and line to `config check`."""
    if content is not None:
        (project.root / "key").write_bytes(content)
    settings = project.load(MODEL + "\napi_key_file = 'key'")
    assert settings.secret(settings.models["m"]) is None
    (fault,) = settings.missing_secrets()
    assert fault.message.startswith(reason)
    assert (fault.file, fault.line, fault.key) == ("roadworthy.toml", 5, "models.m.api_key_file")


def test_a_missing_variable_is_told_at_the_model(project):
    """Without `api_key_env` in the file, the fault stands at the model's header."""
    (fault,) = project.load(f"\n\n{MODEL}").missing_secrets()
    assert (fault.line, fault.key) == (2, "models.m.api_key_env")
    assert fault.message == (
        "The environment variable 'OPENAI_API_KEY' is not set. It should hold the key of model 'm' (openai)."
    )


def test_a_key_in_place_of_its_variables_name_is_not_repeated(project, setenv):
    """What is not spelled like a variable is not shown when it is missing."""
    setenv("ROADWORTHY__MODELS__M__API_KEY_ENV", "hunter2")
    (fault,) = project.load(MODEL).missing_secrets()
    assert str(fault).startswith("The environment variable named in api_key_env is not set.")


def test_models_without_keys_miss_none(project):
    """Local, simulated, functions, Ollama and clouds with their own sign-on need no key here."""
    models = {
        "ollama": "model = 'x'",
        "bedrock": "model = 'x'",
        "google-vertex": "model = 'x'",
        "local": "path = 'x.gguf'",
        "python": "function = 'a:b'",
        "simulated": "",
        "openai-compatible": "model = 'x'\nbase_url = 'http://127.0.0.1:1/v1'",
    }
    text = "".join(f"[models.{name}]\nprovider = '{name}'\n{line}\n" for name, line in models.items())
    settings = project.load(text)
    assert settings.missing_secrets() == []
    assert {settings.secret(model) for model in settings.models.values()} == {None}


def test_text_from_the_environment_is_text_that_hides():
    """It compares, hashes and joins as what it is, and shows how it was written."""
    text = FromEnvironment(SECRET, "${PW}")
    assert text == SECRET
    assert {SECRET: 1}[text] == 1
    assert repr({"a": [text]}) == "{'a': ['${PW}']}"
    assert pickle.loads(pickle.dumps(text)).written == "${PW}"
    assert Path(text) == Path(SECRET)
