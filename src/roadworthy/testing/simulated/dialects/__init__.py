"""The wire formats: how each one asks, answers, streams and complains. `dialect.py` is the contract."""

from roadworthy.testing.simulated.dialects.chat import CHAT
from roadworthy.testing.simulated.dialects.dialect import Answered, Dialect, Event
from roadworthy.testing.simulated.dialects.embeddings import EMBEDDINGS
from roadworthy.testing.simulated.dialects.generate import GENERATE
from roadworthy.testing.simulated.dialects.messages import MESSAGES
from roadworthy.testing.simulated.dialects.responses import RESPONSES

__all__ = ["CHAT", "EMBEDDINGS", "GENERATE", "MESSAGES", "RESPONSES", "Answered", "Dialect", "Event"]
