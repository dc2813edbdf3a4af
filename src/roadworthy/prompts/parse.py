"""From the text of a prompt file to a `Version`, with every fault found on the way.

    ---
    description: What the prompt is for.
    inputs:
      ticket: object
    settings:
      temperature: 0
    ---
    # system
    Instructions.

    # user
    {{ ticket.text }}

A section starts at a line that is exactly `# system`, `# user` or `# assistant`; every other line is text.
"""

import re
from types import MappingProxyType
from typing import Final, cast

from roadworthy.errors import Fault
from roadworthy.prompts.check import check_templates
from roadworthy.prompts.faults import prompt_error
from roadworthy.prompts.front_matter import FrontMatter, read_front_matter
from roadworthy.prompts.version import Role, Section, Version, content_hash, normalise

MAX_BYTES: Final = 1_000_000
"""The longest prompt file; longer text belongs into an input."""

_HEADING = re.compile(r"# (system|user|assistant)[ \t]*")
_NEARLY = re.compile(r"\s*#\s*(system|user|assistant)\s*[:.]?\s*#*\s*", re.IGNORECASE)
_EXAMPLE: Final = "write a line '# user' and the text of the message below it"


def parse(source: str | bytes, *, prompt_id: str, label: str, file: str = "") -> Version:
    """The version that this text describes.

    Raises:
        PromptError: The text is not a prompt; every fault with its line.
    """
    text = normalise(_decode(source, file))
    if not text:
        raise prompt_error([Fault(f"the file is empty: {_EXAMPLE}.", file=file, line=1)])
    lines = text.split("\n")
    body, front = _front_matter(lines, file)
    faults = list(front.faults)
    sections = _sections(lines, body, file, faults)
    faults += _order_faults(sections, body + 1, file, faults)
    if not front.faults:  # without its inputs, every name would look undeclared
        faults += check_templates(sections, front.inputs, file)
    if faults:
        raise prompt_error(faults)
    return Version(
        prompt_id=prompt_id,
        label=label,
        content_hash=content_hash(text),
        text=text,
        sections=sections,
        inputs=MappingProxyType(front.inputs),
        settings=front.settings,
        description=front.description,
        file=file,
    )


def _decode(source: str | bytes, file: str) -> str:
    if len(source) > MAX_BYTES:
        message = f"the file has more than {MAX_BYTES:,} bytes: pass long texts as inputs."
        raise prompt_error([Fault(message, file=file)])
    if isinstance(source, bytes):
        try:
            source = source.decode()
        except UnicodeDecodeError as error:
            line = source.count(b"\n", 0, error.start) + 1
            message = f"byte {error.start} is not UTF-8: save the file with the encoding UTF-8."
            raise prompt_error([Fault(message, file=file, line=line)]) from error
    for wrong, what in _UNFIT.items():
        found = wrong.search(source)
        if found:
            line = source.count("\n", 0, found.start()) + 1
            raise prompt_error([Fault(f"the text contains {what}: remove it.", file=file, line=line)])
    return source


_UNFIT: Final = {
    re.compile("\0"): "a NUL character (is it saved as UTF-16?)",
    re.compile("[\ud800-\udfff]"): "half a character (a lone surrogate)",
}


def _front_matter(lines: list[str], file: str) -> tuple[int, FrontMatter]:
    """The front matter, and the index of the first line after it."""
    if lines[0].rstrip() != "---":
        return 0, FrontMatter()
    for place in range(1, len(lines)):
        if lines[place].rstrip() == "---":
            return place + 1, read_front_matter("\n".join(lines[1:place]), first_line=2, file=file)
    message = "the front matter is not closed: write '---' on a line of its own below it."
    raise prompt_error([Fault(message, file=file, line=1)])


def _sections(lines: list[str], start: int, file: str, faults: list[Fault]) -> tuple[Section, ...]:
    headings = [place for place in range(start, len(lines)) if _HEADING.fullmatch(lines[place])]
    for place in range(start, len(lines)):
        nearly = _NEARLY.fullmatch(lines[place])
        if nearly and place not in headings:
            role = nearly[1].lower()
            message = f"write '# {role}' to start a section, or '\\# {role}' for a line of text."
            faults.append(Fault(message, file=file, line=place + 1))
    first = headings[0] if headings else len(lines)
    for place in range(start, first):
        if lines[place].strip() and not _NEARLY.fullmatch(lines[place]):
            message = "text stands before the first section: write '# system' or '# user' above it."
            faults.append(Fault(message, file=file, line=place + 1))
            break
    ends = [*headings[1:], len(lines)]
    return tuple(_section(lines, heading, end) for heading, end in zip(headings, ends, strict=False))


def _section(lines: list[str], heading: int, end: int) -> Section:
    start = heading + 1
    while start < end and not lines[start].strip():
        start += 1
    text = "\n".join(_unescaped(line) for line in lines[start:end]).rstrip()
    return Section(cast("Role", lines[heading][2:].rstrip()), text, start + 1 if text else heading + 1)


def _unescaped(line: str) -> str:
    return line[1:] if line.startswith("\\#") and _NEARLY.fullmatch(line[1:]) else line


def _order_faults(sections: tuple[Section, ...], end: int, file: str, found: list[Fault]) -> list[Fault]:
    """What is wrong with the roles: system first and once, then user and assistant in turns, user last."""
    faults: list[Fault] = []
    roles = [section.role for section in sections]
    if "user" not in roles and not found:
        faults.append(Fault(f"there is no user section: {_EXAMPLE}.", file=file, line=end))
    before: Role | None = None
    for place, section in enumerate(sections):
        role = section.role
        message = ""
        if not section.source:
            message = f"the {role} section is empty: write its text, or remove its heading."
        elif role == before or (role == "system" and "system" in roles[:place]):
            message = f"a second {role} section follows: put the text into one section."
        elif role == "system" and place:
            message = "the system section must be the first: move it up."
        elif role == "assistant" and before in {None, "system"}:
            message = "an assistant section answers a user section: write '# user' above it."
        elif role == "assistant" and place == len(sections) - 1:
            message = "the last section must be the user's: the model writes what comes after it."
        if message:
            faults.append(Fault(message, file=file, line=section.line))
        before = role
    return faults
