"""Files that cannot be used, and how the project's folder is found."""

import os
from pathlib import Path

import pytest

from roadworthy.errors import SettingsError
from roadworthy.settings import Settings, find_root


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("a = 1\nb = x\n", "2: This is not valid TOML: the value is not valid (text needs quotes)."),
        ("a = 1\na = 2\nb = 3\n", "2: This is not valid TOML: this key stands here for the second time."),
        ("[a]\n[b]\n[a]\n", "3: This is not valid TOML: this table stands here for the second time."),
        ("\nname\n", "2: This is not valid TOML: a key needs '=' and a value."),
        ("\na = 'x\n", "2: This is not valid TOML: a text has no closing quote."),
        ('\na = "x\n', "2: This is not valid TOML: a text has no closing quote."),
        ('a = 1\nb = "x', "2: This is not valid TOML: a text has no closing quote."),
        ("a = 1\nb = " + "9" * 5000, "2: A number has too many digits."),
        ("a = 1\nb = " + "[" * 50 + "]" * 50, "2: Tables or lists are nested too deeply."),
        ("a = 1\n" + "b." * 2000 + "b = 1", "2: Tables or lists are nested too deeply."),
    ],
)
def test_invalid_toml_is_one_fault_on_its_line(project, text, complaint):
    """Syntax errors name file, line and what is wrong, and nothing else is complained about."""
    project.root.joinpath("roadworthy.toml").write_text(text, "utf-8")
    assert project.complaints() == [f"roadworthy.toml:{complaint}"]


def test_brackets_beyond_all_measure_are_a_fault(project):
    """A file that would exhaust the parser's stack is refused like any other."""
    (fault,) = project.faults("a = " + "[" * 100_000)
    assert fault.file == "roadworthy.toml"


@pytest.mark.parametrize("content", [b'[project]\nname = "caf\xe9"\n', b'#\n"\xff"', b"#\n\x80"])
def test_invalid_utf8_is_one_fault_on_its_line(project, content):
    """A file in another encoding says so, with the line of the first byte that does not fit."""
    project.root.joinpath("roadworthy.toml").write_bytes(content)
    (fault,) = project.faults()
    assert str(fault) == "roadworthy.toml:2: roadworthy.toml is not UTF-8 text. Save it with that encoding."


def test_a_byte_order_mark_does_no_harm(project):
    """Files saved by Windows editors load."""
    project.root.joinpath("roadworthy.toml").write_bytes(b'\xef\xbb\xbf[project]\r\nname = "x"\r\n')
    assert Settings.load(project.root).project.name == "x"


def test_a_missing_file_says_how_to_make_one(project):
    """Without a settings file there is one fault, and the command that makes a project."""
    with pytest.raises(SettingsError, match=r"There is no roadworthy\.toml") as caught:
        Settings.load(project.root)
    assert "roadworthy init" in str(caught.value)


def test_a_folder_in_place_of_the_file_is_told(project):
    """A folder of that name is not mistaken for a missing file."""
    project.root.joinpath("roadworthy.toml").mkdir()
    assert project.complaints() == [
        "roadworthy.toml: roadworthy.toml is a folder. A settings file must stand there."
    ]


@pytest.mark.skipif(os.name == "nt", reason="symbolic links need rights on Windows")
def test_an_unreadable_file_is_told(project):
    """What the operating system refuses is passed on in its words."""
    path = project.root / "roadworthy.toml"
    path.symlink_to(path)
    (fault,) = project.faults()
    assert fault.message.startswith("roadworthy.toml cannot be read: ")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_a_forbidden_file_is_told(project):
    """A file without the right to read it is one fault."""
    project.write("").chmod(0)
    assert project.complaints() == ["roadworthy.toml: roadworthy.toml cannot be read: Permission denied."]


def test_faults_of_both_files_are_told_together(project):
    """A broken overlay does not hide a broken base."""
    project.write("b = ", "roadworthy.production.toml")
    assert [fault.file for fault in project.faults("a = ", "production")] == [
        "roadworthy.toml",
        "roadworthy.production.toml",
    ]


def test_a_file_elsewhere_is_named_in_full(project, tmp_path, monkeypatch):
    """From another folder, the fault still names a file that can be opened."""
    path = project.write("x = 1")
    monkeypatch.chdir(tmp_path)
    assert project.faults()[0].file == str(Path("desk") / "roadworthy.toml")
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path / "other")
    assert project.faults()[0].file == str(path)


@pytest.mark.parametrize("name", ["../secrets", "Production", "a/b", "a b", "-x", "x" * 100, "\n"])
def test_an_environment_name_cannot_be_a_path(project, name, setenv):
    """Only plain names choose a file, whether given or from ROADWORTHY_ENV."""
    assert "lower-case letters" in project.complaints("", name)[0]
    setenv("ROADWORTHY_ENV", name)
    assert "ROADWORTHY_ENV" in project.complaints("")[0]


def test_the_root_is_found_from_below(project):
    """A file or folder somewhere inside a project leads to it."""
    below = project.root / "prompts" / "draft"
    below.mkdir(parents=True)
    (below / "v1.md").touch()
    project.write("")
    assert find_root(below / "v1.md") == find_root(below) == find_root(Path("prompts")) == project.root


def test_without_a_project_above_the_command_is_told(tmp_path):
    """Outside of any project there is one fault, and the command that makes a project."""
    with pytest.raises(
        SettingsError, match=r"There is no roadworthy\.toml in .* or in any folder above"
    ) as caught:
        find_root(tmp_path)
    assert "roadworthy init" in caught.value.hint
