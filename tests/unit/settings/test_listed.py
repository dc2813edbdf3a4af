"""The settings one by one: what said each, and no secret among them."""

from roadworthy.settings import Settings, listed_settings


def test_each_value_says_what_said_it(tmp_path, monkeypatch):
    """A file with its line, a variable, an override; nothing for a default."""
    (tmp_path / "roadworthy.toml").write_text('[project]\nname = "desk"\n[service]\nport = 8081\n')
    monkeypatch.setenv("ROADWORTHY__WORKERS__POLL_SECONDS", "3")
    settings = Settings.load(tmp_path, overrides={"service.port": 9000})
    found = {one.key: (one.value, one.source) for one in listed_settings(settings)}
    assert found["project.name"] == ("desk", "roadworthy.toml:2")
    assert found["workers.poll_seconds"] == (3.0, "environment variable ROADWORTHY__WORKERS__POLL_SECONDS")
    assert found["service.port"] == (9000, "override")
    assert found["database.durability"] == ("normal", "")


def test_no_secret_is_among_them(tmp_path, monkeypatch):
    """Neither a password in an address nor a key that a variable put where none belongs."""
    (tmp_path / "roadworthy.toml").write_text(
        '[project]\nname = "${NAME}"\n[database]\nurl = "postgresql://desk:${PASSWORD}@db/desk"\n'
    )
    monkeypatch.setenv("NAME", "sk-ant-0123456789abcdefghij")
    monkeypatch.setenv("PASSWORD", "hunter2hunter2")
    text = str(list(listed_settings(Settings.load(tmp_path))))
    assert "hunter2" not in text
    assert "0123456789abcdefghij" not in text
