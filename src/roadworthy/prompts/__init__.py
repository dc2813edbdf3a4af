"""Prompts as files in git: versions, their rendering with fenced data, and their place in the database.

`store` (SQL) is imported on its own: `from roadworthy.prompts import store`.
"""

from roadworthy.prompts.compare import diff
from roadworthy.prompts.contract import unmet
from roadworthy.prompts.load import Prompt, Prompts, load_prompts
from roadworthy.prompts.parse import parse
from roadworthy.prompts.render import Message, Rendered, render
from roadworthy.prompts.version import CallSettings, InputSpec, Section, Version, content_hash

__all__ = [
    "CallSettings",
    "InputSpec",
    "Message",
    "Prompt",
    "Prompts",
    "Rendered",
    "Section",
    "Version",
    "content_hash",
    "diff",
    "load_prompts",
    "parse",
    "render",
    "unmet",
]
