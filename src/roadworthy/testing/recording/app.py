"""`record` and `replay`: what the models of a whole app say, kept in a file and given again.

Both work on an app that is running or about to be, until their block ends or the app is stopped:

    with record(app, "tests/answers.jsonl"):   once, with the real models
    with replay(app, "tests/answers.jsonl"):   ever after, with no model, key or network
"""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from roadworthy.errors import ErrorKind, ProviderError
from roadworthy.testing.recording.providers import Recorder, Replayer
from roadworthy.testing.recording.recording import Recording
from roadworthy.testing.stand_in import StandIn, asking, replaceable

if TYPE_CHECKING:
    from roadworthy.app import App


@contextmanager
def record(app: "App", path: str | Path) -> "Generator[Recording]":
    """Record what the app's models answer until the block ends; a file that is there already is replaced.

    Functions of the project (`provider = "python"`) are not recorded. No secret of the settings is kept.
    """
    recording = Recording.new(Path(path), scrubber=app.telemetry.scrubber)
    names = replaceable(app.settings)
    recorders = {name: Recorder(app.models.target(name), recording, model=name) for name in names}
    with asking(app, {name: StandIn(name, app.settings, its) for name, its in recorders.items()}):
        yield recording


@contextmanager
def replay(app: "App", path: str | Path) -> "Generator[Recording]":
    """Have the app's models answer from a recording until the block ends.

    Functions of the project (`provider = "python"`) run as ever.

    Raises:
        ConfigurationError: The recording cannot be read.
        ProviderError: At the end of the block: a request was not in the recording, even where a fallback or
            the block itself hid it. Says what differs from the nearest one.
    """
    recording = Recording.read(Path(path), scrubber=app.telemetry.scrubber)
    replayers = {name: Replayer(recording, model=name) for name in replaceable(app.settings)}
    cause: Exception | None = None
    with asking(app, {name: StandIn(name, app.settings, its) for name, its in replayers.items()}):
        try:
            yield recording
        except Exception as error:
            if not recording.missed:
                raise
            cause = error
    if recording.missed:
        first = recording.missed[0]
        raise ProviderError(first.message, kind=ErrorKind.NOT_CONFIGURED, hint=first.hint) from cause
