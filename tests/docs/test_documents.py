"""What the documents claim is true: snippets run, commands exist, paths exist, tables are those of the result files."""

import re
from pathlib import Path

import click
import pytest

from benchmarks import tables
from segue.cli import main
from segue.encode.quantised import OnnxEncoder
from segue.engine import Engine
from tests.commands import commands_of

ROOT = Path(__file__).parents[2]
DOCUMENTS = [
    ROOT / "README.md",
    ROOT / "ARCHITECTURE.md",
    ROOT / "CHANGELOG.md",
    *sorted((ROOT / "docs").rglob("*.md")),
]


def _commands(group: click.Command, path: tuple[str, ...] = ()) -> set[tuple[str, ...]]:
    if not isinstance(group, click.Group):
        return {path}
    return {name for key, command in commands_of(group).items() for name in _commands(command, (*path, key))}


def test_the_python_of_the_readme_runs(
    tmp_path: Path, encoder: OnnxEncoder, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (snippet,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    opened = Engine.open
    monkeypatch.setattr(Engine, "open", lambda folder: opened(tmp_path / folder, encoder=encoder))
    exec(compile(snippet, "README.md", "exec"), {})
    assert "Mary Poppins" in capsys.readouterr().out


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_commands_in_a_document_exist(document: Path) -> None:
    known = {name[0] for name in _commands(main)}
    options = {option for name in _commands(main) for option in _options(name)}
    for line in re.findall(r"^(?:\$ )?segue (.+)$|`segue ([^`]+)`", document.read_text(), re.MULTILINE):
        words = (line[0] or line[1]).split("#")[0].split()
        assert words[0] in known, f"{document.name} names `segue {words[0]}`"
        for word in words:
            assert not re.fullmatch(r"--[a-z-]+", word) or word in options, f"{document.name} names the option {word}"


def _options(path: tuple[str, ...]) -> set[str]:
    command: click.Command = main
    for name in path:
        command = commands_of(command)[name]
    return {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}


def test_every_command_stands_in_a_document() -> None:
    text = "\n".join(document.read_text() for document in DOCUMENTS)
    built = {name for name in _commands(main) if "Not built yet" not in (_help(name) or "")}
    assert [name for name in sorted(built) if f"segue {' '.join(name)}" not in text] == []


def _help(path: tuple[str, ...]) -> str | None:
    command: click.Command = main
    for name in path:
        command = commands_of(command)[name]
    return command.help


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document: Path) -> None:
    for link in re.findall(r"\]\(([^)#]+)\)", document.read_text()):
        assert link.startswith("http") or (document.parent / link).exists(), f"{document.name} links {link}"


@pytest.mark.parametrize("document", [ROOT / "docs/tour.md", ROOT / "docs/papers.md"], ids=lambda path: path.name)
def test_files_named_in_a_document_exist(document: Path) -> None:
    for named in re.findall(r"`([a-z_0-9/]+(?:\.py|/))[:`]", document.read_text()):
        assert (ROOT / "segue" / named).exists(), f"{document.name} names {named}"


def test_the_map_names_what_is_there() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text()
    (tree,) = re.findall(r"```\nsegue/\n(.*?)```", text, re.DOTALL)
    for name in re.findall(r"^  ([a-z_]+(?:\.py|/)) ", tree, re.MULTILINE):
        assert (ROOT / "segue" / name).exists(), name
    for file in (ROOT / "segue").glob("*.py"):
        assert file.name == "__init__.py" or file.name in tree, f"ARCHITECTURE.md does not name {file.name}"
    assert len(text.splitlines()) <= 150


def test_tables_are_those_of_the_result_files() -> None:
    for document in sorted((ROOT / "docs").rglob("*.md")):
        assert tables.filled(document.read_text()) == document.read_text(), "run: python -m benchmarks.tables"


def test_no_machine_path_is_named() -> None:
    for document in DOCUMENTS:
        assert not re.search(r"/(?:work|root|home|tmp)/", document.read_text()), document.name


def test_the_python_of_the_page_on_agents_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (snippet,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs/how-to/agents.md").read_text(), re.DOTALL)
    monkeypatch.chdir(tmp_path)
    exec(compile(snippet, "agents.md", "exec"), {})
    assert "'demonstrations': 50" in capsys.readouterr().out
