"""A project's prompts, found in its folder and looked up by id and label."""

import random
from pathlib import Path

import pytest

from roadworthy.errors import NotFound, PromptError
from roadworthy.prompts import diff, load_prompts, parse
from roadworthy.prompts.version import natural_key


@pytest.fixture
def write(tmp_path: Path):
    """Writes `prompts/<name>` and returns the folder of prompts."""
    root = tmp_path / "prompts"

    def write(name: str, text: str = "# user\nHello\n") -> Path:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode("utf-8", "surrogateescape"))
        return root

    return write


def test_versions_are_in_natural_order(write) -> None:
    """v10 is newer than v9, and the highest label is the latest."""
    for label in ("v10", "v9", "v1", "v2"):
        root = write(f"reply/{label}.md", f"# user\n{label}\n")
    prompts = load_prompts(root)
    assert [version.label for version in prompts.versions("reply")] == ["v1", "v2", "v9", "v10"]
    assert prompts.latest("reply").name == "reply@v10"
    assert prompts.latest("reply").file == "prompts/reply/v10.md"


def test_natural_order_is_that_of_people() -> None:
    """Numbers count as numbers wherever they stand."""
    ordered = ["1", "1.9", "1.10", "2", "a", "v1", "v1-beta", "v2", "v2b", "v10"]
    shuffled = ordered.copy()
    random.Random(0).shuffle(shuffled)
    assert sorted(shuffled, key=natural_key) == ordered


def test_prompts_are_a_collection(write) -> None:
    """They can be counted, iterated and asked for."""
    write("b/v1.md")
    write("b/v2.md")
    prompts = load_prompts(write("a/v1.md"))
    assert [prompt.id for prompt in prompts] == ["a", "b"]
    assert len(prompts) == 2
    assert "a" in prompts
    assert [version.name for version in prompts.all_versions()] == ["a@v1", "b@v1", "b@v2"]


def test_a_label_can_be_chosen(write) -> None:
    """Settings name the version that serves an environment; without one it is the latest."""
    write("reply/v1.md")
    prompt = load_prompts(write("reply/v2.md")).get("reply")
    assert prompt.version("v1").label == "v1"
    assert prompt.version().label == prompt.version(None).label == "v2"


def test_unknown_names_come_with_a_suggestion(write) -> None:
    """A typo costs no search."""
    prompts = load_prompts(write("draft-reply/v1.md"))
    with pytest.raises(NotFound, match=r"There is no prompt 'draft_reply'\. Did you mean 'draft-reply'\?"):
        prompts.get("draft_reply")
    with pytest.raises(NotFound, match=r"Prompt 'draft-reply' has no version 'v2'\. Known: v1\."):
        prompts.get("draft-reply").version("v2")


def test_a_project_needs_no_prompts(tmp_path) -> None:
    """A missing folder holds no prompts, and asking for one says which file to write."""
    prompts = load_prompts(tmp_path / "prompts")
    assert len(prompts) == 0
    with pytest.raises(NotFound, match=r"Write its first version as prompts/reply/v1\.md\."):
        prompts.get("reply")


def test_a_file_in_place_of_the_folder_is_a_fault(tmp_path) -> None:
    """The message says what must be there."""
    (tmp_path / "prompts").touch()
    with pytest.raises(PromptError, match="prompts: this must be a folder"):
        load_prompts(tmp_path / "prompts")


def test_faults_of_all_files_come_together(write) -> None:
    """One look at the output is enough to mend all files."""
    write("b/v1.md", "# user\n{{ x }}\n")
    write("a/v2.md", "# user\n\udcff\n")
    with pytest.raises(PromptError) as caught:
        load_prompts(write("a/v1.md", ""))
    places = [line.split(": ")[0] for line in str(caught.value).splitlines()]
    assert places == ["prompts/a/v1.md:1", "prompts/a/v2.md:2", "prompts/b/v1.md:2"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("reply.md", r"move this file to prompts/reply/v1\.md"),
        ("Reply/v1.md", "'Reply' cannot name a folder of a prompt"),
        ("reply/V 1.md", "'V 1' cannot name a file of a prompt"),
        ("reply/v1.txt", r"rename it to v1\.md"),
        ("reply/v1.MD", r"rename it to v1\.md"),
    ],
)
def test_a_misplaced_or_misnamed_file_is_a_fault(write, name, expected) -> None:
    """A file that was meant as a prompt is never passed over in silence."""
    with pytest.raises(PromptError, match=expected):
        load_prompts(write(name))


def test_other_files_are_left_alone(write) -> None:
    """Notes, hidden files and backups are no prompts."""
    for name in (
        "README.md",
        "reply/README.md",
        ".hidden.md",
        "reply/.v1.md.swp",
        "reply/v1.md~",
        "_old/v1.md",
    ):
        write(name, "no prompt")
    assert [version.name for version in load_prompts(write("reply/v1.md")).all_versions()] == ["reply@v1"]


def test_a_file_that_cannot_be_read_is_a_fault(write, tmp_path) -> None:
    """A link into nowhere has a message, no traceback."""
    root = write("reply/v1.md")
    (root / "reply" / "v2.md").symlink_to(tmp_path / "nowhere")
    with pytest.raises(PromptError, match=r"prompts/reply/v2\.md: the file cannot be read \(No such file"):
        load_prompts(root)


def test_a_diff_shows_what_changed() -> None:
    """Two versions compare as a unified diff; a version with itself is empty."""
    old = parse("# user\nHello\nthere\n", prompt_id="reply", label="v1")
    new = parse("# user\nHi\nthere\n", prompt_id="reply", label="v2")
    assert diff(old, new) == "--- reply@v1\n+++ reply@v2\n@@ -1,3 +1,3 @@\n # user\n-Hello\n+Hi\n there"
    assert diff(old, old) == ""
