"""Calls: one logical request to a model, from prompt and inputs to a checked, priced, recorded answer."""

from roadworthy.calls.answer import Answer
from roadworthy.calls.attempt import AttemptStatus
from roadworthy.calls.call import Call, CallStatus, Recording
from roadworthy.calls.conversation import Conversation, Reply, ReplyOutput, VectorsOutput, ad_hoc_version
from roadworthy.calls.decision import By, Decision, Verdict
from roadworthy.calls.lane import PROVIDER_BATCH, Lane
from roadworthy.calls.output import Output
from roadworthy.calls.pipeline import CallPutOff, Pipeline
from roadworthy.calls.rules import Rules, function_of

__all__ = [
    "PROVIDER_BATCH",
    "Answer",
    "AttemptStatus",
    "By",
    "Call",
    "CallPutOff",
    "CallStatus",
    "Conversation",
    "Decision",
    "Lane",
    "Output",
    "Pipeline",
    "Recording",
    "Reply",
    "ReplyOutput",
    "Rules",
    "VectorsOutput",
    "Verdict",
    "ad_hoc_version",
    "function_of",
]
