"""What changed between two versions of a prompt, as text."""

from difflib import unified_diff

from roadworthy.prompts.version import Version


def diff(old: Version, new: Version) -> str:
    """A unified diff of the two texts; empty when they are the same."""
    lines = unified_diff(
        old.text.splitlines(), new.text.splitlines(), fromfile=old.name, tofile=new.name, lineterm=""
    )
    return "\n".join(lines)
