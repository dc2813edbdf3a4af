"""Pages that are one file and need nothing else, neither network nor script: `rendered`.

The one style sheet stands in the page, and the browser is told by a policy to load and run nothing. All that
models and people wrote is escaped, characters that cannot be seen are written out.
"""

import base64
import hashlib
import json
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined

from roadworthy.records import iso
from roadworthy.telemetry.logs import visible

_MOST_CHARS = 20_000


def rendered(template: str, **names: Any) -> str:
    """A page made from one of the templates."""
    style = _text("report.css")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return _environment().get_template(template).render(style=style, style_hash=f"sha256-{digest}", **names)


@cache
def _environment() -> Environment:
    made = Environment(
        loader=FunctionLoader(_text),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.filters.update(_FILTERS)
    return made


def _text(name: str) -> str:
    return (files("roadworthy.evals.reports") / "templates" / name).read_text("utf-8")


def _usd(value: Any) -> str:
    return "$0" if not value else f"${value:.4f}" if value >= 1 else f"${value:.6f}".rstrip("0").rstrip(".")


def _said(text: object, most: int = 400) -> str:
    """A text on one line."""
    said = visible(str(text), one_line=True)
    return said if len(said) <= most else f"{said[:most]}…"


def shown(value: Any) -> str:
    """A value as people read it: a text as it is, anything else as JSON."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2, default=str)
    if len(text) > _MOST_CHARS:
        text = f"{text[:_MOST_CHARS]}\n… and {len(text) - _MOST_CHARS:,} characters more"
    return visible(text, one_line=False)


def _percent(share: float) -> str:
    return f"{share:.1%}"


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f} s"


def _moment(at_ms: int) -> str:
    return iso(at_ms)[:19].replace("T", " ") + " UTC"


_FILTERS: dict[str, Any] = {
    "said": _said,
    "shown": shown,
    "percent": _percent,
    "usd": _usd,
    "seconds": _seconds,
    "moment": _moment,
}
