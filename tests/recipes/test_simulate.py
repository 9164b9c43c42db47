"""Simulated people on a tiny judged catalogue: what is learned from, what is measured, what is said."""

import json
import re
import zlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from segue import cli
from segue.cli import measure
from segue.encode.encoder import Vectors
from segue.errors import InvalidInput, NotFound
from segue.rank.clicks import Crowd, behaviour
from segue.recipes.collection import LEARNING, Collection, broken, opened
from segue.recipes.simulate import Break, Simulation, checkpoints, scored, simulate, split, statics
from segue.recipes.simulation_table import as_table
from segue.retrieve.select import ReciprocalRankFusion

WORDS = ("night", "river", "garden", "storm", "island", "letter", "winter", "train", "mirror", "desert")
KINDS = ("comedy", "drama", "horror", "romance")


class Cheap:
    """An encoder that costs nothing: a random direction for every text, always the same."""

    dimensions = 16
    fingerprint = "cheap"

    def encode(self, texts: Sequence[str]) -> Vectors:
        rows = [np.random.default_rng(zlib.crc32(text.encode())).normal(size=self.dimensions) for text in texts]
        vectors = np.array(rows, dtype=np.float32).reshape(len(rows), self.dimensions)
        return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), dtype=np.float32)


Files = tuple[Path, Path]
Rows = list[tuple[str, str, str, int]]


def films() -> list[dict[str, Any]]:
    """40: every word with every kind."""
    return [
        {
            "id": f"{word}-{kind}",
            "title": f"The {word} of {kind}",
            "overview": f"A {kind} about a {word}.",
            "genres": [kind],
            "votes": 10 * place + len(kind),
        }
        for place, word in enumerate(WORDS)
        for kind in KINDS
    ]


def judged() -> Rows:
    """20 queries: a word, for which two kinds are right, and a word with a kind."""
    rows = []
    for place, word in enumerate(WORDS):
        first, second = KINDS[place % 4], KINDS[(place + 1) % 4]
        rows += [(f"w{place}", f"film about {word}", f"{word}-{first}", 2)]
        rows += [(f"w{place}", f"film about {word}", f"{word}-{second}", 1)]
        rows += [(f"k{place}", f"{second} {word}", f"{word}-{second}", 2)]
    return rows


def written(folder: Path, rows: Rows, items: Sequence[dict[str, Any]] | None = None) -> Files:
    catalogue, judgements = folder / "films.jsonl", folder / "judged.tsv"
    catalogue.write_text("\n".join(json.dumps(item) for item in (films() if items is None else items)))
    lines = ["query_id\tquery\tdoc_id\tgrade", *("\t".join(map(str, row)) for row in rows)]
    judgements.write_text("\n".join(lines) + "\n")
    return catalogue, judgements


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return written(tmp_path_factory.mktemp("simulate"), judged())


@pytest.fixture(scope="module")
def store(files: Files, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The catalogue's index, made once."""
    folder = tmp_path_factory.mktemp("simulate") / "store"
    with opened(*files, store=folder, encoder=Cheap(), quiet=True):
        return folder


@pytest.fixture(scope="module")
def result(files: Files, store: Path) -> dict[str, Any]:
    return simulated(files, store=store, interactions=120)


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Full text breaks when its health is known, among enough films that chance does not look like agreement."""
    others = [{"id": f"o{place}", "title": f"Reel {place}", "votes": place} for place in range(400)]
    files = written(tmp_path_factory.mktemp("faulty"), judged(), films() + others)
    return simulated(files, interactions=230, breaks=Break(frozenset({"text"}), 130))


def simulated(files: Files, **more: Any) -> dict[str, Any]:
    return simulate(*files, **{"interactions": 60, "encoder": Cheap(), "quiet": True, **more})


def shown(collection: Collection, *, interactions: int = 80, seed: int = 0, looked: bool = False) -> list[list[int]]:
    """The pages that people see, perhaps with a look at the unseen queries after each."""
    asked, unseen = split(collection, seed=seed)
    stream = [asked[place % len(asked)] for place in range(interactions)]
    fault = Break(frozenset({"dense"}), 30, 60)
    run = Simulation(collection, stream, Crowd(behaviour("position", "low"), seed=seed), breaks=[fault], seed=seed)
    pages = []
    for _ in range(interactions):
        pages.append(run.step()[1].kept.numbers.tolist())
        if looked:
            run.measure(unseen)
    return pages


# -- the same again -------------------------------------------------------------------------------------------------


def test_the_same_seed_gives_the_same(files: Files, store: Path, result: dict[str, Any]) -> None:
    assert simulated(files, interactions=120) == result  # in an index of its own
    assert simulated(files, store=store, interactions=120, seed=1)["checkpoints"] != result["checkpoints"]


def test_looking_disturbs_nothing(files: Files, store: Path) -> None:
    with opened(*files, store=store, encoder=Cheap(), quiet=True) as (_, collection):
        assert shown(collection) == shown(collection, looked=True)


# -- what is learned from -------------------------------------------------------------------------------------------


def test_learning_sees_clicks_only(files: Files, store: Path, tmp_path: Path) -> None:
    """Other judgements for the queries that nobody asks: other figures, and not one page that is different."""
    with opened(*files, store=store, encoder=Cheap(), quiet=True) as (_, collection):
        before = shown(collection)
        _, unseen = split(collection, seed=0)
        secret = {collection.judged[place].id for place in unseen}
        figures = statics(collection, unseen, 10, ReciprocalRankFusion())["static RRF"].means()
    moved = [(id, text, "desert-drama" if id in secret else item, grade) for id, text, item, grade in judged()]
    assert moved != judged()
    with opened(*written(tmp_path, moved), store=store, encoder=Cheap(), quiet=True) as (_, collection):
        assert shown(collection) == before
        assert statics(collection, unseen, 10, ReciprocalRankFusion())["static RRF"].means() != figures


def test_clicks_are_learned_from(files: Files, store: Path) -> None:
    """The same pages for everybody until somebody has clicked; then not."""
    with opened(*files, store=store, encoder=Cheap(), quiet=True) as (_, collection):
        (place, *_), _ = split(collection, seed=0)
        stream = [place] * 40
        people = Crowd(behaviour("position", "low"), bots=0, unseen=0, delay=0)
        nobody = Crowd(behaviour("position", "low"), bots=0, unseen=1, delay=0)
        clicking, blind = (Simulation(collection, stream, crowd) for crowd in (people, nobody))
        assert clicking.step()[1].kept.numbers.tolist() == blind.step()[1].kept.numbers.tolist()
        for _ in range(39):
            _, last = clicking.step()
            blind.step()
        assert last.kept.numbers[0] in collection.relevant(place)
        assert clicking.memory.size > 0
        assert blind.memory.most_taken("simulated", 10) == {}


def test_unseen_queries_are_never_asked(files: Files, store: Path) -> None:
    with opened(*files, store=store, encoder=Cheap(), quiet=True) as (_, collection):
        for seed in range(20):
            asked, unseen = split(collection, seed=seed)
            assert not set(asked) & set(unseen)
            assert sorted(asked + unseen) == list(range(20))
            assert len(unseen) == 6
        groups = ["word" if one.id.startswith("w") else "kind" for one in collection.judged]
        _, unseen = split(collection, seed=0, groups=groups)
        assert sorted(groups[place] for place in unseen) == ["kind"] * 3 + ["word"] * 3


def test_the_words_of_an_unseen_query_are_never_asked(tmp_path: Path, store: Path) -> None:
    """Under another id, in another order: somebody's clicks would be remembered for it."""
    twins = [(f"{id}-twin", " ".join(reversed(text.split())), item, grade) for id, text, item, grade in judged()]
    files = written(tmp_path, judged() + twins)
    with opened(*files, store=store, encoder=Cheap(), quiet=True) as (_, collection):
        assert len(collection) == 40
        for seed in range(20):
            asked, unseen = split(collection, seed=seed)
            heard = {frozenset(collection.judged[place].text.split()) for place in asked}
            assert len(asked) == 28
            assert all(frozenset(collection.judged[place].text.split()) not in heard for place in unseen)


# -- what is measured -----------------------------------------------------------------------------------------------


def test_the_shape_of_a_result(result: dict[str, Any]) -> None:
    assert json.loads(json.dumps(result, allow_nan=False)) == result
    assert result["queries"] == {"in the stream": 14, "unseen": 6, "measured": 6}
    assert result["best single"] not in LEARNING
    assert [row["interactions"] for row in result["checkpoints"]] == [0, 100, 120]
    for row in result["checkpoints"]:
        assert row["unseen"]["queries"] == 6
        for kind in ("unseen", "repeated"):
            assert set(row[kind]) == {
                *("queries", "live policy", "best single", "static RRF", "union"),
                "over static RRF",
            }
            for policy in ("live policy", "best single", "static RRF", "union"):
                assert set(row[kind][policy]) == {"recall", "ndcg@10", "calls"}
            assert row[kind]["union"]["ndcg@10"] is None  # a set has no order
    start, *others = (row["repeated"] for row in result["checkpoints"])
    assert (start["queries"], start["live policy"]["recall"], start["over static RRF"]["recall"]) == (0, None, None)
    assert all(0 < row["queries"] <= 14 for row in others)
    assert result["broken"] is None


def test_what_does_not_learn_is_what_it_was(result: dict[str, Any]) -> None:
    """For the unseen queries, checkpoint after checkpoint; and no policy finds more than all together."""
    first, *others = (row["unseen"] for row in result["checkpoints"])
    for row in others:
        assert all(row[name] == first[name] for name in ("best single", "static RRF", "union"))
    for row in (first, *others):
        assert row["best single"]["recall"] <= row["union"]["recall"]
        assert row["static RRF"]["calls"] > row["best single"]["calls"] == 1
        ahead = row["live policy"]["recall"] - row["static RRF"]["recall"]
        assert row["over static RRF"]["recall"]["difference"] == pytest.approx(ahead, abs=2e-4)


def test_scores_by_hand(files: Files, store: Path) -> None:
    """Two relevant films of grades 2 and 1: the lesser one alone, in second place."""
    with opened(*files, store=store, encoder=Cheap(), quiet=True) as (_, collection):
        place = next(place for place, one in enumerate(collection.judged) if one.id == "w3")
        best, second = sorted(collection.grades[place], key=lambda number: -collection.grades[place][number])
        wrong = next(number for number in collection.snapshot.numbers.tolist() if number not in (best, second))
        kept = collection.found(place, "text")
        kept = replace(kept, numbers=np.array([wrong, second]), scores=np.array([2, 1], np.float32))
        recall, ndcg = scored(collection, place, kept, 10)
    assert recall == 0.5
    assert ndcg == pytest.approx((1 / np.log2(3)) / (3 + 1 / np.log2(3)))


@given(st.integers(1, 10**6), st.integers(0, 10**6))
def test_checkpoints_ascend_from_the_start_to_the_end(interactions: int, start: int) -> None:
    marks = checkpoints(interactions, start)
    assert marks[0] == 0
    assert marks[-1] == interactions
    assert marks == sorted(set(marks))
    assert start > interactions or start in marks


def test_measured_queries_are_bounded(files: Files, store: Path) -> None:
    result = simulated(files, store=store, measured=2)
    assert result["queries"]["measured"] == 2
    assert all(row["unseen"]["queries"] == 2 and row["repeated"]["queries"] <= 2 for row in result["checkpoints"])


def test_other_people_and_another_budget(files: Files, store: Path) -> None:
    cascade = simulated(files, store=store, clicks="cascade", noise="high", budget=3)
    assert (cascade["clicks"], cascade["noise"], cascade["budget"]) == ("cascade", "high", 3)
    wide = simulated(files, store=store, budget=10)
    for narrow, row in zip(cascade["checkpoints"], wide["checkpoints"], strict=True):
        assert narrow["unseen"]["static RRF"]["recall"] <= row["unseen"]["static RRF"]["recall"]


def test_documents_that_are_not_there_are_counted(tmp_path: Path, store: Path) -> None:
    rows = [*judged(), ("w0", "film about night", "lost", 2), ("w1", "film about river", "lost", 2)]
    result = simulated(written(tmp_path, rows), store=store)
    assert result["documents not in the catalogue"] == 1
    assert "not in the catalogue, and count as not found: 1." in as_table(result)


# -- what breaks ----------------------------------------------------------------------------------------------------


def test_a_broken_strategy_gets_an_alarm(faulty: dict[str, Any]) -> None:
    assert faulty["broken"] == {"strategies": ["text"], "from": 130}
    named = [alarm for alarm in faulty["alarms"] if alarm["strategy"] == "text"]
    assert 130 < named[0]["interaction"] <= 230
    assert not [alarm for alarm in faulty["alarms"] if alarm["interaction"] <= 130]
    assert f"Alarm at interaction {named[0]['interaction']}: text broke" in as_table(faulty)


def test_the_baselines_are_broken_as_well(faulty: dict[str, Any]) -> None:
    rows = {row["interactions"]: row["unseen"] for row in faulty["checkpoints"]}
    assert list(rows) == [0, 100, 130, 200, 230]
    assert rows[0]["static RRF"] == rows[100]["static RRF"] != rows[130]["static RRF"]


def test_a_fault_that_nothing_notices_is_said(files: Files, store: Path) -> None:
    fault = Break(frozenset({"text", "dense"}), 55)  # too late for anything to be noticed
    result = simulated(files, store=store, breaks=fault)
    assert result["alarms"] == []
    assert "From interaction 55 on, dense and text returned anything at all." in as_table(result)
    assert as_table(result).splitlines()[-1] == "No alarm named dense and text."


def test_a_fault_lasts_from_its_start_to_its_end() -> None:
    fault = Break(frozenset({"text"}), 10, 20)
    assert [now for now in range(30) if fault.holds("text", now)] == list(range(10, 20))
    assert not any(fault.holds("dense", now) for now in range(30))
    assert Break(frozenset({"text"}), 10).holds("text", 10**9)


def test_what_a_broken_strategy_returns(files: Files, store: Path) -> None:
    """As many different items as before, with the same scores, whatever they are."""
    with opened(*files, store=store, encoder=Cheap(), quiet=True) as (_, collection):
        found = collection.found(0, "text")
        noise = broken(found, collection.snapshot, np.random.default_rng(0))
        assert (noise.strategy, noise.scores.tolist()) == ("text", found.scores.tolist())
        assert len(set(noise.numbers.tolist())) == len(found)
        assert set(noise.numbers.tolist()) <= set(collection.snapshot.numbers.tolist())


# -- what is refused ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"interactions": 0}, "0 interactions"),
        ({"budget": 0}, "budget of 0"),
        ({"budget": 101}, "budget of 101"),
        ({"measured": 0}, "0 queries cannot be measured"),
        ({"seed": -1}, "seed -1"),
        ({"clicks": "eager"}, "'eager'.*position or cascade"),
        ({"noise": "some"}, "'some'.*low or high"),
        ({"breaks": Break(frozenset({"magic", "text"}), 5)}, "no strategy 'magic' to break.*memory, popular, text"),
        ({"breaks": Break(frozenset({"text"}), 60)}, "Nothing breaks at interaction 60 of 60.*0 to 59"),
    ],
)
def test_numbers_and_names_that_make_no_sense(files: Files, tmp_path: Path, more: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        simulated(files, store=tmp_path / "never", **more)
    assert not (tmp_path / "never").exists()  # said before anything is indexed


def test_too_few_queries(tmp_path: Path) -> None:
    few = [row for row in judged() if row[0].startswith("k")][:9]
    unanswered = [(f"u{place}", f"nothing {place}", "night-drama", 0) for place in range(20)]
    with pytest.raises(InvalidInput, match=r"judged\.tsv has 9 queries.*relevant.*10 or more"):
        simulated(written(tmp_path, few + unanswered), store=tmp_path / "never")
    assert not (tmp_path / "never").exists()


def test_queries_that_nobody_can_ask(tmp_path: Path, store: Path) -> None:
    empty = [(f"e{place}", " ", "night-drama", 1) for place in range(12)]
    with pytest.raises(InvalidInput, match="has 0 queries that can be asked"):
        simulated(written(tmp_path, empty), store=store)
    few = [row for row in judged() if row[0].startswith("k")][:4]
    with pytest.raises(InvalidInput, match="has 4 queries that can be asked"):
        simulated(written(tmp_path, few + empty), store=store)


def test_queries_that_are_all_the_same(tmp_path: Path, store: Path) -> None:
    same = [(f"s{place}", "film about night", "night-drama", 1) for place in range(12)]
    with pytest.raises(InvalidInput, match="much the same"):
        simulated(written(tmp_path, same), store=store)


def test_files_that_are_not_there(files: Files, tmp_path: Path) -> None:
    for missing in ((tmp_path / "no.jsonl", files[1]), (files[0], tmp_path / "no.tsv")):
        with pytest.raises(NotFound):
            simulated(missing)


def test_a_store_that_holds_another_catalogue(files: Files, tmp_path: Path) -> None:
    simulated(files, store=tmp_path / "kept", interactions=1)
    half = written(tmp_path, judged(), films()[:30])
    with pytest.raises(InvalidInput, match=r"holds 10 items that .* does not name"):
        simulated(half, store=tmp_path / "kept")


# -- the lists that are kept ----------------------------------------------------------------------------------------


def lists(collection: Collection) -> list[tuple[str, list[int], list[float], str, str]]:
    found = [
        collection.found(place, name)
        for place in range(len(collection))
        for name in collection.strategies
        if name not in LEARNING
    ]
    return [
        (one.strategy, one.numbers.tolist(), one.scores.tolist(), str(one.numbers.dtype), str(one.scores.dtype))
        for one in found
    ]


def test_lists_are_restored_as_they_were(files: Files, store: Path, tmp_path: Path, monkeypatch: Any) -> None:
    keep = tmp_path / "lists.npz"
    with opened(*files, store=store, encoder=Cheap(), quiet=True) as (_, collection):
        collection.fill(range(5), keep=keep, quiet=True)
        assert not keep.exists()  # a part is not kept
        collection.fill(range(len(collection)), keep=keep, quiet=True)
        asked = lists(collection)
    assert [file.name for file in tmp_path.iterdir()] == ["lists.npz"]
    with opened(*files, store=store, encoder=Cheap(), quiet=True) as (_, collection):
        collection.fill(range(len(collection)), keep=keep, quiet=True)
        monkeypatch.setattr(collection, "_family", {})  # nothing can be asked any more
        assert lists(collection) == asked
        assert any(len(numbers) for _, numbers, *_ in asked)


def test_lists_of_another_version_are_not_used(files: Files, tmp_path: Path) -> None:
    keep, fewer = tmp_path / "lists.npz", written(tmp_path, judged(), films()[:30])
    with opened(*fewer, store=tmp_path / "store", encoder=Cheap(), quiet=True) as (_, collection):
        collection.fill(range(len(collection)), keep=keep, quiet=True)
        before, old = lists(collection), collection.snapshot.version
    with opened(*files, store=tmp_path / "store", encoder=Cheap(), quiet=True) as (_, collection):
        assert collection.snapshot.version != old
        fresh = lists(Collection(collection.snapshot, collection.queries, collection.judged, family_of(collection)))
        collection.fill(range(len(collection)), keep=keep, quiet=True)
        assert lists(collection) == fresh != before
    with np.load(keep) as kept:
        assert int(kept["version"]) != old  # the file follows


def test_lists_of_other_queries_are_not_used(files: Files, store: Path, tmp_path: Path) -> None:
    keep = tmp_path / "lists.npz"
    with opened(*files, store=store, encoder=Cheap(), quiet=True) as (_, collection):
        collection.fill(range(len(collection)), keep=keep, quiet=True)
    turned = written(tmp_path, judged()[::-1])
    with opened(*turned, store=store, encoder=Cheap(), quiet=True) as (_, collection):
        fresh = lists(Collection(collection.snapshot, collection.queries, collection.judged, family_of(collection)))
        collection.fill(range(len(collection)), keep=keep, quiet=True)
        assert lists(collection) == fresh


def family_of(collection: Collection) -> list[Any]:
    return list(collection._family.values())


# -- for people -----------------------------------------------------------------------------------------------------


def test_the_tables_are_whole_and_say_what_the_result_says(result: dict[str, Any]) -> None:
    text = as_table(result)
    tables = [part.splitlines() for part in re.findall(r"(?:^\|.*\n?)+", text, re.MULTILINE)]
    assert [len(table) for table in tables] == [2 + 3, 2 + 2]  # nothing is repeated at the start
    for table in tables:
        assert len({len(line) for line in table}) == 1
        assert len({line.count("|") for line in table}) == 1
    last = [cell.strip() for cell in tables[0][-1].split("|")[1:-1]]
    row = result["checkpoints"][-1]["unseen"]
    assert last[:3] == ["120", "6", f"{row['live policy']['recall']:.3f}"]
    assert last[-1] == f"{row['live policy']['calls']:.1f}"
    points = 100 * row["over static RRF"]["recall"]["difference"]
    assert f"on unseen queries: {points:+.1f} ± " in text
    assert f"Best single strategy: {result['best single']}." in text
    assert not re.search(r"\b(nan|None)\b", text)


# -- the command ----------------------------------------------------------------------------------------------------


@pytest.fixture
def command(files: Files, store: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """`segue simulate` with the cheap encoder."""
    monkeypatch.setattr(
        measure, "run_simulation", lambda *args, **options: simulate(*args, **options, encoder=Cheap(), quiet=True)
    )

    def run(*more: str) -> Any:
        named = ["--catalogue", str(files[0]), "--judgements", str(files[1]), "--store", str(store)]
        return CliRunner().invoke(cli.main, ["simulate", *named, *more])

    return run


def test_the_command(command: Any, result: dict[str, Any]) -> None:
    printed = command("--interactions", "120", "--json")
    assert printed.exit_code == 0, printed.stderr
    assert json.loads(printed.stdout, parse_constant=lambda word: pytest.fail(f"{word} is no JSON")) == result
    assert command("--interactions", "120").stdout.rstrip("\n") == as_table(result)


def test_the_command_breaks_strategies(command: Any) -> None:
    body = json.loads(command("--interactions", "50", "--break", " text, dense@20", "--json").stdout)
    assert body["broken"] == {"strategies": ["dense", "text"], "from": 20}


@pytest.mark.parametrize(
    "words", ["text", "text@", "text@soon", "@20", " , @20", "text@-1", "text@1.5", "text@1@2", ""]
)
def test_a_break_that_cannot_be_read(command: Any, words: str) -> None:
    refused = command("--interactions", "50", "--break", words)
    assert refused.exit_code == 1
    assert f"--break {words!r} cannot be read" in refused.stderr
    assert "text,dense@1000" in refused.stderr


def test_a_break_of_what_is_not_there(command: Any) -> None:
    refused = command("--interactions", "50", "--break", "magic@20")
    assert refused.exit_code == 1
    assert refused.stderr.startswith("segue: There is no strategy 'magic' to break.")
    assert command("--interactions", "50", "--measured", "0").exit_code == 2
