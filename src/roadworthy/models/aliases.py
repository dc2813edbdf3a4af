"""Which model names are pinned, and which let the provider put another model behind them.

A pinned name (mostly: one with a date) answers tomorrow as it did when it was evaluated. The rules are
each provider's naming scheme as documented in 2026-11; where a scheme cannot be judged (an Azure
deployment, a private server) nothing is said.
"""

import re
from collections.abc import Callable

_OPENAI_PINNED = re.compile(r"-\d{4}-\d{2}-\d{2}$|-\d{4}$|^ft:")
_ANTHROPIC_DATED = re.compile(r"-20\d{6}$")
_ANTHROPIC_DATELESS = re.compile(r"^claude-[a-z]+-(\d+)(?:-(\d{1,2}))?$")
_GOOGLE_OLD_GENERATION = re.compile(r"^gemini-(?:1\.\d|2\.0)-")
_GOOGLE_PINNED = re.compile(r"-\d{3}$|-\d{2}-\d{2}$|-\d{2}-20\d{2}$")
_MOVING_TAIL = re.compile(r"[-:/@](?:latest|auto)$")


def _openai(model: str) -> bool:
    return not _OPENAI_PINNED.search(model)


def _anthropic(model: str) -> bool:
    if _ANTHROPIC_DATED.search(model):
        return False
    dateless = _ANTHROPIC_DATELESS.match(model)
    if not dateless:
        return True
    # From 4.6 on, names carry no date and are snapshots themselves; before, a dateless name is an alias.
    return (int(dateless[1]), int(dateless[2] or 0)) < (4, 6)


def _google(model: str) -> bool:
    if _MOVING_TAIL.search(model):
        return True
    return bool(_GOOGLE_OLD_GENERATION.match(model)) and not _GOOGLE_PINNED.search(model)


def _ollama(model: str) -> bool:
    return ":" not in model or model.endswith(":latest")


def _moving_tail(model: str) -> bool:
    return bool(_MOVING_TAIL.search(model))


_RULES: dict[str, tuple[Callable[[str], bool], str]] = {
    "openai": (_openai, "a name with a date, such as 'gpt-4o-mini-2024-07-18'"),
    "anthropic": (_anthropic, "a name with a date, such as 'claude-sonnet-4-5-20250929'"),
    "google": (_google, "a numbered name, such as 'gemini-2.0-flash-001'"),
    "google-vertex": (_google, "a numbered name, such as 'gemini-2.0-flash-001'"),
    "ollama": (_ollama, "a tag, such as 'llama3.2:3b-instruct-q4_K_M'"),
    "bedrock": (_moving_tail, "the full model id"),
    "openai-compatible": (_moving_tail, "the full model name"),
}


def is_floating(provider: str, model: str) -> bool:
    """Whether the provider may put another model behind this name without telling."""
    rule = _RULES.get(provider)
    return rule is not None and bool(model) and rule[0](model.lower())


def floating_warning(name: str, provider: str, model: str) -> str | None:
    """What to tell the operator about `models.<name>`; None when its model is pinned."""
    if not is_floating(provider, model):
        return None
    return (
        f"models.{name}: {model!r} is a floating name; {provider} may put another model behind it, "
        f"and what was evaluated is then not what answers. Pin {_RULES[provider][1]}."
    )
