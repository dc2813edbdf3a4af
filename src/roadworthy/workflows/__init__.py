"""Workflows: durable runs of ordinary async functions, their steps, actions, schedules and batches."""

from roadworthy.workflows.action import Action, action_of
from roadworthy.workflows.batch import Batches
from roadworthy.workflows.children import OnError, call_child, fan_out
from roadworthy.workflows.context import Act, Parts, Rehearse, current_run, run_context
from roadworthy.workflows.decide import Decider
from roadworthy.workflows.doorbell import Doorbell
from roadworthy.workflows.flag import read_flag
from roadworthy.workflows.prompt import Asked, Prompt, Served, Surroundings
from roadworthy.workflows.retry import Retry
from roadworthy.workflows.run import FINISHED, Run, RunStatus, Step, StepStatus
from roadworthy.workflows.runs import Handle, Runs, Shown
from roadworthy.workflows.schedule import Scheduler
from roadworthy.workflows.signature import as_json
from roadworthy.workflows.step import Step as StepFunction
from roadworthy.workflows.step import step_of
from roadworthy.workflows.store.find import Filter
from roadworthy.workflows.wait import sleep, wait_for_signal
from roadworthy.workflows.worker import Worker
from roadworthy.workflows.workflow import Workflow, skip

__all__ = [
    "FINISHED",
    "Act",
    "Action",
    "Asked",
    "Batches",
    "Decider",
    "Doorbell",
    "Filter",
    "Handle",
    "OnError",
    "Parts",
    "Prompt",
    "Rehearse",
    "Retry",
    "Run",
    "RunStatus",
    "Runs",
    "Scheduler",
    "Served",
    "Shown",
    "Step",
    "StepFunction",
    "StepStatus",
    "Surroundings",
    "Worker",
    "Workflow",
    "action_of",
    "as_json",
    "call_child",
    "current_run",
    "fan_out",
    "read_flag",
    "run_context",
    "skip",
    "sleep",
    "step_of",
    "wait_for_signal",
]
