"""Recording of model requests, to be answered again without the model.

`record` and `replay` do it for a whole app. Below them, `Recorder` wraps a provider and adds what passes to a
`Recording`, a file with one JSON object a line; `Replayer` is a provider that answers from it and fails,
saying what differs, where it has nothing. The same request asked again gets the next answer that was recorded
for it, then the last one for ever. No secret reaches the file.
"""

from roadworthy.testing.recording.app import record, replay
from roadworthy.testing.recording.exchange import Exchange
from roadworthy.testing.recording.providers import Recorder, Replayer
from roadworthy.testing.recording.recording import Recording

__all__ = ["Exchange", "Recorder", "Recording", "Replayer", "record", "replay"]
