"""The command line: one file for each group of commands. `main.py` puts them together."""

__all__: list[str] = []
