"""The command line, from index to ask to feedback and round again."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from segue.arbitration import asked_back
from segue.cli import main, serving, use
from segue.recipes import demo
from segue.records import Answer, Hypothesis, Request
from tests.commands import commands_of

CONTRACT = {
    *("demo", "index", "ask", "feedback", "serve", "learn", "evaluate"),
    *("simulate", "train", "upgrade", "migrate", "explain"),
}
CSV = """id,title,genres,year,votes
f1,Mary Poppins,comedy|musical,1964,900
f2,Psycho,horror,1960,950
f3,Love Story,romance|drama,1970,400
f4,Love Actually,romance|comedy,2003,990
,No Id,drama,1999,1
f5,Some Like It Hot,comedy,1959,800
f5,Once Again,comedy,1959,800
"""


@pytest.fixture
def store(tmp_path: Path, int8_folder: Path) -> Path:
    """An empty store that has its encoder already, for making one takes seconds."""
    folder = tmp_path / "store"
    shutil.copytree(int8_folder, folder / "artifacts" / "encoder-minilm", copy_function=os.link)
    (folder / "segue.json").write_text('{"format": 1}')
    return folder


@pytest.fixture
def films(tmp_path: Path) -> Path:
    file = tmp_path / "films.csv"
    file.write_text(CSV, encoding="utf-8")
    return file


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def done(*arguments: str | Path) -> Result:
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    return result


def printed(*arguments: str | Path) -> Any:
    return json.loads(done(*arguments).stdout)


def indexed(store: Path, films: Path) -> Result:
    return done("index", films, "--domain", "films", "--store", store, "--quiet")


# -- the commands ---------------------------------------------------------------------------------------------------


def test_help_imports_nothing_that_takes_long() -> None:
    said = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "segue.cli", "--help"], capture_output=True, text=True, check=True
    )
    assert "segue serve" in said.stdout
    assert not [name for name in ("numpy", "fastapi", "sqlalchemy") if re.search(rf"\| +{name}$", said.stderr, re.M)]


def every_command(group: click.Group, *path: str) -> list[tuple[tuple[str, ...], click.Command]]:
    found: list[tuple[tuple[str, ...], click.Command]] = []
    for name, command in commands_of(group).items():
        found.append(((*path, name), command))
        if isinstance(command, click.Group):
            found += every_command(command, *path, name)
    return found


def test_every_command_of_the_contract_is_there() -> None:
    assert set(commands_of(main)) >= CONTRACT
    assert {"search", "reader"} <= set(commands_of(commands_of(main)["evaluate"]))
    assert "reader" in commands_of(commands_of(main)["train"])
    help = done("--help").output
    assert all(name in help for name in CONTRACT)


@pytest.mark.parametrize("path", [path for path, _ in every_command(main)], ids=" ".join)
def test_every_command_has_a_sentence_of_help(path: tuple[str, ...]) -> None:
    for flag in ("--help", "-h"):
        text = done(*path, flag).output
    sentence = text.split("\n\n")[1].strip()
    assert len(sentence.split()) >= 4
    assert "." in sentence
    for _, command in every_command(main):
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                assert parameter.help, parameter.name


def test_version_and_unknown_commands() -> None:
    assert "version" in done("--version").output
    result = run("applaud")
    assert result.exit_code == 2
    assert "No such command" in result.stderr


# -- the way round --------------------------------------------------------------------------------------------------


def test_index_ask_feedback_and_ask_again(store: Path, films: Path) -> None:
    result = indexed(store, films)
    assert result.stdout == "films: 5 added, 0 updated, 0 unchanged, 0 deleted, 2 rows kept out\n"
    assert "id: id · title: title" in result.stderr
    assert "line 6: has no id" in result.stderr
    assert "line 8: has the id 'f5' again (first on line 7)" in result.stderr

    before = printed("ask", "love", "--store", store, "--json", "--context", "device=tv")
    assert {"id", "hypotheses", "results", "selection", "milliseconds"} <= set(before)
    assert before["request"]["context"] == {"device": "tv"}
    for reading in before["hypotheses"]:
        assert {"domain", "intent", "slots", "confidence"} <= set(reading)
    for found in before["results"]:
        assert {"id", "title", "domain", "score", "sources"} <= set(found)
        assert all({"rank", "score"} <= set(source) for source in found["sources"].values())
    for chosen in before["selection"]:
        assert {"strategy", "k", "propensity"} <= set(chosen)

    item = before["results"][2]["id"]
    sent = printed("feedback", before["id"], item, "--action", "play", "--store", store, "--id", "e1", "--json")
    assert sent == {"id": "e1", "domain": "films", "new": True}
    again = done("feedback", before["id"], item, "--action", "play", "--store", store, "--id", "e1")
    assert again.stdout == "already known: e1\n"
    after = printed("ask", "love", "--store", store, "--json")
    assert after["results"][0]["id"] == item
    assert (
        done("feedback", before["id"], item, "--action", "undo", "--store", store).stdout == f"learned: undo {item}\n"
    )
    restored = printed("ask", "love", "--store", store, "--json")
    assert [one["id"] for one in restored["results"]] == [one["id"] for one in before["results"]]


def test_the_same_question_gets_the_same_answer(store: Path, films: Path) -> None:
    indexed(store, films)
    first, again = (printed("ask", "comedies from 1964", "--store", store, "--json", "--seed", "3") for _ in range(2))
    for body in (first, again):
        del body["id"], body["milliseconds"], body["trace"]["milliseconds"], body["request"]["time"]
    assert first == again


def test_an_answer_for_people_and_its_explanation(store: Path, films: Path) -> None:
    indexed(store, films)
    shown = done("ask", "comedies from 1964", "--store", store, "--limit", "2").stdout
    assert "films" in shown
    assert "1. Mary Poppins (1964)  [films]  f1" in shown
    assert "3. " not in shown
    id = shown.splitlines()[-1].split()[1]
    why = done("explain", id, "--store", store).stdout
    assert '"comedies from 1964"' in why
    assert "read as {'genres': 'comedies', 'year': '1964'}" in why
    assert "Mary Poppins" in why
    assert "structured #1" in why
    assert printed("explain", id, "--store", store, "--json")["id"] == id


def test_replace_and_delete(store: Path, films: Path, tmp_path: Path) -> None:
    indexed(store, films)
    fewer = tmp_path / "fewer.csv"
    fewer.write_text("id,title,genres,year,votes\nf1,Mary Poppins,comedy|musical,1964,900\nf9,New,drama,2000,1\n")
    result = done("index", fewer, "--domain", "films", "--store", store, "--quiet", "--replace")
    assert result.stdout == "films: 1 added, 0 updated, 1 unchanged, 4 deleted, 0 rows kept out\n"
    gone = tmp_path / "gone.csv"
    gone.write_text("id\nf9\nnobody\n")
    assert done("index", gone, "--domain", "films", "--store", store, "--delete").stdout == "films: 1 deleted\n"
    left = printed("ask", "new", "--store", store, "--json")
    assert [one["id"] for one in left["results"]] == ["f1"]


def test_columns_can_be_named(store: Path, tmp_path: Path) -> None:
    file = tmp_path / "odd.tsv"
    file.write_text("nummer\tname\tx\tlikes\tsecret\n1\tEmma\tnovel\t5\tq\n2\tDune\tnovel\t9\tq\n", encoding="utf-8")
    result = done(
        *("index", file, "--domain", "books", "--store", store, "--quiet", "--id", "nummer", "--title", "name"),
        *("--category", "x", "--popularity", "likes", "--ignore", "secret"),
    )
    assert "id: nummer · title: name · categories: x · popularity: likes" in result.stderr
    body = printed("ask", "novel", "--store", store, "--json")
    assert body["results"][0]["title"] == "Dune"
    result = run("index", file, "--domain", "books", "--store", store, "--quiet", "--id", "missing")
    assert result.exit_code == 1
    assert "There is no column 'missing'" in result.stderr


# -- errors ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [
        ("ask", "love"),
        ("feedback", "a", "b", "--action", "click"),
        ("explain", "a"),
        ("serve",),
    ],
)
def test_an_unknown_store_is_said_in_one_line(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    result = run(*arguments, "--store", tmp_path / "nothing")
    assert result.exit_code == 1
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert line.startswith("segue: There is no store in ")
    assert "segue index FILE" in line
    assert not (tmp_path / "nothing").exists()


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("ask", ""), "The text is empty"),
        (("ask", "love", "--limit", "0"), "limit is 0"),
        (("ask", "love", "--seed", "-1"), "seed is -1"),
        (("ask", "love", "--domain", "songs"), "There is no domain 'songs'"),
        (("ask", "love", "--context", "tv"), "--context 'tv' is no pair"),
        (("feedback", "unknown", "f1", "--action", "click"), "There is no answer 'unknown'"),
        (("feedback", "unknown", "f1", "--action", "applaud"), "There is no action 'applaud'"),
        (("explain", "unknown"), "There is no answer 'unknown'"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(
    store: Path, films: Path, arguments: tuple[str, ...], why: str
) -> None:
    indexed(store, films)
    result = run(*arguments, "--store", store)
    assert result.exit_code == 1
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert line.startswith("segue: ")
    assert why in line


def test_files_that_cannot_be_indexed(store: Path, films: Path, tmp_path: Path) -> None:
    indexed(store, films)
    bad = tmp_path / "bad.csv"
    bad.write_text("id,title\n,a\n,b\n")
    for file, why in (
        (bad, "None of the 2 rows"),
        (tmp_path / "nothing.csv", "There is no file"),
        (tmp_path, "is not a file"),
    ):
        result = run("index", file, "--domain", "films", "--store", store, "--quiet")
        assert result.exit_code == 1
        assert why in result.stderr
        assert "Traceback" not in result.output
    assert len(printed("ask", "love", "--store", store, "--json")["results"]) == 5


def test_more_bad_rows_than_are_shown(store: Path, tmp_path: Path) -> None:
    file = tmp_path / "many.csv"
    file.write_text("id,title\n1,good\n" + ",no id\n" * 30)
    result = done("index", file, "--domain", "films", "--store", store, "--quiet")
    assert sum("has no id" in line for line in result.stderr.splitlines()) == 20
    assert "… and 10 more" in result.stderr
    assert "30 rows kept out" in result.stdout


def test_nothing_is_made_when_the_file_is_not_there(tmp_path: Path) -> None:
    """Else a slip in the path leaves a store behind, after the seconds it takes to make one."""
    result = run("index", tmp_path / "nothing.csv", "--domain", "films", "--store", tmp_path / "new")
    assert result.exit_code == 1
    assert not (tmp_path / "new").exists()


def test_delete_makes_no_store(films: Path, tmp_path: Path) -> None:
    result = run("index", films, "--domain", "films", "--delete", "--store", tmp_path / "new")
    assert result.exit_code == 1
    assert not (tmp_path / "new").exists()


# -- evaluate, serve, demo ------------------------------------------------------------------------------------------


def test_evaluate_search(store: Path, films: Path, tmp_path: Path) -> None:
    judged = tmp_path / "judged.tsv"
    judged.write_text("query_id\tquery\tdoc_id\tgrade\n1\tlove\tf3\t1\n2\tmary poppins\tf1\t2\n")
    asked = ("evaluate", "search", "--catalogue", films, "--judgements", judged, "--store", store, "--budget", "3")
    body = printed(*asked, "--json")
    assert {"catalogue", "judgements", "budget", "seed", "rows"} <= set(body)
    assert body["rows"]["rrf"]["recall"] == 1
    table = done(*asked, "--strategies", "title, dense").stdout
    assert "recall@3" in table
    assert [line.split("|")[1].strip() for line in table.splitlines()[2:]] == [
        *("title", "dense", "union of all", "rrf", "live policy")
    ]
    result = run(*asked, "--strategies", "magic")
    assert result.exit_code == 1
    assert "There is no strategy 'magic'" in result.stderr


def test_serve_and_demo_hand_over_to_the_server(store: Path, films: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    indexed(store, films)
    served: list[dict[str, Any]] = []

    def server(engine: Any, *, say: Callable[[str], None], **settings: Any) -> None:
        served.append({"domains": engine.domains.names(), **settings})
        say("serving")

    monkeypatch.setattr(serving, "run_server", server)
    assert "serving" in done("serve", "--store", store, "--port", "9000").stderr
    built: list[Path] = []
    monkeypatch.setattr(demo, "build", lambda folder, say: built.append(folder))
    monkeypatch.setattr(demo, "understand_meanwhile", lambda folder, say: built.append(folder))
    monkeypatch.setattr(demo, "act_meanwhile", lambda folder, say: built.append(folder))
    done("demo", "--store", store, "--no-browser")
    assert built == [store, store, store]
    done("demo", "--store", store, "--no-browser", "--no-understand", "--no-act")
    assert built == [store, store, store, store]
    expected = {"domains": ["films"], "host": "127.0.0.1", "browser": False}
    assert served == [{**expected, "port": 9000}, {**expected, "port": 8765}, {**expected, "port": 8765}]
    for port in ("0", "65536", "http"):
        assert run("serve", "--store", store, "--port", port).exit_code == 2


def test_a_question_and_what_is_nobodys_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    guesses = (Hypothesis("films", "find", {}, 0.4), Hypothesis("books", "find", {}, 0.35))
    answer = Answer(
        "1", Request("1", "mary poppins"), guesses, (), (), 1.0, decision="ask", question=asked_back(guesses, ())
    )
    use._print_answer(answer)
    said = capsys.readouterr().out
    assert "Did you mean the film or the book? To choose: --domain films or --domain books" in said
    use._print_answer(replace(answer, decision="nobody's", question=None))
    assert "No domain is likely to be meant; these are the nearest guesses." in capsys.readouterr().out
