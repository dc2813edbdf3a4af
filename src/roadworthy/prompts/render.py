"""From a version and its inputs to the messages that go to a model.

Inputs are checked first, so that a fault costs no call. Sections are compiled at their first use and kept;
most are nothing but text and inputs, and are put together without Jinja, in half of the time.
The same version and inputs always give the same bytes. Where a user section can carry text from outside,
the system message ends with the notice that says what its fences mean.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import TracebackType
from typing import Any, Final, NamedTuple

from jinja2 import Template, nodes
from jinja2.exceptions import TemplateError

from roadworthy.errors import Fault, RenderError
from roadworthy.prompts.check import Tree
from roadworthy.prompts.faults import prompt_error
from roadworthy.prompts.fence import NOTICE
from roadworthy.prompts.inputs import UnfitError, accept, fingerprint_source, require_unicode
from roadworthy.prompts.sandbox import WORK, WRITERS, Work, sandbox
from roadworthy.prompts.version import Role, Section, Version

MAX_CHARS: Final = 4_000_000
"""The most that one prompt may come to: about a million tokens, what the longest contexts hold."""


class Message(NamedTuple):
    """One message, ready to be sent."""

    role: Role
    text: str


@dataclass(frozen=True, slots=True)
class Rendered:
    """A prompt with its inputs filled in."""

    messages: tuple[Message, ...]
    inputs: Mapping[str, Any]
    """What they were filled in with, as plain data."""

    @property
    def inputs_hash(self) -> str:
        """SHA-256 of the inputs, in hexadecimal; the same for the same values in any order."""
        return hashlib.sha256(fingerprint_source(self.inputs)).hexdigest()


@dataclass(frozen=True, slots=True)
class _Compiled:
    section: Section
    template: Template
    fences: bool
    plain: tuple[str | tuple[str, Callable[[Any], str]], ...] | None
    """Its texts, and its inputs each with how it is written; None where it is more than that."""


def render(version: Version, inputs: Mapping[str, Any]) -> Rendered:
    """The messages of this version for these inputs.

    Raises:
        RenderError: An input does not fit what is declared, or a template cannot be filled in.
    """
    values = accept(version.name, version.inputs, inputs)
    try:
        require_unicode(values)
    except UnfitError as error:
        raise RenderError(f"Prompt {version.name!r} cannot be rendered. {error}") from error
    sections = _compiled(version)
    work = Work()
    left = MAX_CHARS
    messages: list[Message] = []
    for compiled in sections:
        text = _fill(version, compiled, _parts(compiled, values, work), left)
        left -= len(text)
        if text.strip():
            messages.append(Message(compiled.section.role, text))
        elif compiled.section.role != "system":
            place = f"the {compiled.section.role} section at line {compiled.section.line}"
            raise RenderError(
                f"Prompt {version.name!r} cannot be rendered: {place} came out empty for these inputs."
            )
    if any(compiled.fences for compiled in sections):
        _announce(messages)
    return Rendered(tuple(messages), values)


def _announce(messages: list[Message]) -> None:
    if messages[0].role == "system":
        messages[0] = Message("system", f"{messages[0].text}\n\n{NOTICE}")
    else:
        messages.insert(0, Message("system", NOTICE))


@lru_cache(maxsize=1_000)
def _compiled(version: Version) -> tuple[_Compiled, ...]:
    return tuple(_compile(version, section) for section in version.sections)


def _compile(version: Version, section: Section) -> _Compiled:
    tree = Tree(sandbox(), section, version.inputs, version.file or version.name)
    if tree.faults or tree.template is None:
        raise prompt_error(tree.faults)
    try:
        code = sandbox().compile(tree.template, filename=_CODE)
    except (SyntaxError, RecursionError) as error:  # Python's own limit on nested blocks
        message = "the template is nested too deeply: use fewer loops and conditions inside one another."
        raise prompt_error([Fault(message, file=version.file or version.name, line=section.line)]) from error
    template = Template.from_code(sandbox(), code, sandbox().globals)
    return _Compiled(section, template, tree.fences, _plain(tree.template))


_CODE: Final = "<prompt>"


def _plain(template: nodes.Template) -> tuple[str | tuple[str, Callable[[Any], str]], ...] | None:
    found: list[str | tuple[str, Callable[[Any], str]]] = []
    for statement in template.body:
        for part in statement.nodes if isinstance(statement, nodes.Output) else (statement,):
            match part:
                case nodes.TemplateData():
                    found.append(part.data)
                case nodes.Filter(name=writer, node=nodes.Name(name=name)) if writer in WRITERS:
                    found.append((name, WRITERS[writer]))
                case _:
                    return None
    return tuple(found)


def _parts(compiled: _Compiled, values: Mapping[str, Any], work: Work) -> Iterable[str]:
    """The section's pieces, each made when it is asked for."""
    if compiled.plain is None:
        template = compiled.template
        return template.root_render_func(template.new_context({**values, WORK: work}))
    return (part if isinstance(part, str) else part[1](values[part[0]]) for part in compiled.plain)


def _fill(version: Version, compiled: _Compiled, pieces: Iterable[str], left: int) -> str:
    parts: list[str] = []
    try:
        for part in pieces:
            left -= len(part)
            if left < 0:
                raise RenderError(
                    f"Prompt {version.name!r} cannot be rendered: it comes to more than {MAX_CHARS:,} "
                    "characters. Pass less, or set 'max_chars' on its inputs to refuse long ones early."
                )
            parts.append(part)
        text = "".join(parts)
        text.encode()
    except TemplateError as error:
        raise _render_error(version, compiled, error, error.message or type(error).__name__) from error
    except (TypeError, ValueError, ArithmeticError, LookupError, AttributeError, RecursionError) as error:
        reason = f"a value does not fit its filter or operator ({type(error).__name__})."
        raise _render_error(version, compiled, error, reason) from error
    return text


def _render_error(version: Version, compiled: _Compiled, error: Exception, reason: str) -> RenderError:
    line = compiled.section.line + _template_line(compiled.template, error.__traceback__) - 1
    fault = Fault(reason, file=version.file or version.name, line=line)
    return RenderError(f"Prompt {version.name!r} cannot be rendered: {fault}")


def _template_line(template: Template, traceback: TracebackType | None) -> int:
    line = 1
    while traceback is not None:
        if traceback.tb_frame.f_code.co_filename == _CODE:
            line = template.get_corresponding_lineno(traceback.tb_lineno)
        traceback = traceback.tb_next
    return line
