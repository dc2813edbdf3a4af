"""Calls: one logical request to a model, from prompt and inputs to a checked, priced, recorded answer."""

from roadworthy.calls.answer import Answer, Decision
from roadworthy.calls.attempt import AttemptStatus
from roadworthy.calls.call import Call, CallStatus
from roadworthy.calls.output import Output
from roadworthy.calls.pipeline import Pipeline

__all__ = ["Answer", "AttemptStatus", "Call", "CallStatus", "Decision", "Output", "Pipeline"]
