"""Every benchmark runs in its smallest setting, on data made here, and writes its result file."""

import gzip
import json
import random
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from benchmarks.__main__ import FULL, SMOKE
from tests.act.room_files import room_files

ROOT = Path(__file__).parents[2]


def _data(folder: Path) -> Path:
    """Both judged collections in miniature: 40 films; each film's title, with some number, is a query, its item the answer."""
    films = [
        {
            "id": f"f{n}",
            "title": f"The {word} of {n}",
            "overview": f"A film about {word}.",
            "genres": ["drama"],
            "votes": n,
        }
        for n, word in enumerate(("night", "river", "garden", "storm") * 10)
    ]
    for name, catalogue, judgements in (
        ("msrd", "movies-corpus.jsonl.gz", "movies-judgments.tsv.gz"),
        ("mixed", "catalogue.jsonl.gz", "judgements.tsv.gz"),
    ):
        (folder / name).mkdir(parents=True)
        with gzip.open(folder / name / catalogue, "wt") as stream:
            stream.writelines(json.dumps(film) + "\n" for film in films)
        with gzip.open(folder / name / judgements, "wt") as stream:
            stream.write("query_id\tquery\tdoc_id\tgrade\n")
            stream.writelines(f"q{n}\t{film['title']} {n}\t{film['id']}\t1\n" for n, film in enumerate(films * 60))
    return folder


def _logs(folder: Path) -> Path:
    """As `_data`, with 24 judged films for each query; and logged clicks in the columns of Open Bandit that are read."""
    _data(folder)
    with gzip.open(folder / "msrd" / "movies-judgments.tsv.gz", "wt") as stream:
        stream.write("query_id\tquery\tdoc_id\tgrade\n")
        for query in range(30):
            films = [(query + step) % 40 for step in range(24)]
            stream.writelines(f"q{query}\tThe night of {query}\tf{film}\t{film % 3}\n" for film in films)
    chance = random.Random(0)
    for policy in ("random", "bts"):
        for campaign in ("men", "women"):
            place = folder / "obd-small" / policy / campaign
            place.mkdir(parents=True)
            shown = [(chance.randrange(5), 1 + number % 3, int(chance.random() < 0.2)) for number in range(300)]
            lines = [f"{item},{position},{click},0.2\n" for item, position, click in shown]
            (place / f"{campaign}.csv").write_text("item_id,position,click,propensity_score\n" + "".join(lines))
    return folder


def _titles(folder: Path) -> Path:
    """Films with titles of their own, each asked for twice by name."""
    (folder / "msrd").mkdir(parents=True)
    words = [
        first + second
        for first in ("moon", "sun", "sea", "rain", "snow", "wind", "sand")
        for second in ("set", "fall", "light")
    ]
    films = [{"id": word, "title": f"{word} story", "overview": f"A film about {word}."} for word in words]
    with gzip.open(folder / "msrd" / "movies-corpus.jsonl.gz", "wt") as stream:
        stream.writelines(json.dumps(film) + "\n" for film in films)
    with gzip.open(folder / "msrd" / "movies-judgments.tsv.gz", "wt") as stream:
        stream.write("query_id\tquery\tdoc_id\tgrade\n")
        stream.writelines(f"{word}{n}\t{word} story {n}\t{word}\t1\n" for word in words for n in (1, 2))
    return folder


def _dialogues(folder: Path) -> Path:
    """Dialogues of two turns with one of four services each: the first names it, the second does not. One turn opens two."""
    folder.mkdir(parents=True)
    services = {"Music_1": "song", "Music_2": "tune", "Films_1": "film", "Banks_1": "balance"}
    for part, count in (("train", 240), ("dev", 40), ("test", 40)):
        rows = []
        for n in range(count):
            service, thing = list(services.items())[n % 4]
            first: dict[str, Any] = {"turn": 0, "prev_service": None, "prev_intent": None, "prev_system_acts": []}
            later = {"turn": 2, "prev_service": service, "prev_intent": "Find", "prev_system_acts": ["OFFER"]}
            title = f"number {n % 7}"
            text = f"find the {thing} {title}"
            slots = [{"name": "title", "start": len(text) - len(title), "end": len(text), "value": title}]
            about = {"domain": service[:-2], "service": service, "frames": 1, "id": f"{part}/{n}/of {service}"}
            rows += [
                {
                    "text": text,
                    "intent": "Find",
                    "slots": slots,
                    "context": first,
                    "id": f"{part}/{n}/0/{service}",
                    **about,
                },
                {
                    "text": "take it",
                    "intent": "Take",
                    "slots": [],
                    "context": later,
                    "id": f"{part}/{n}/2/{service}",
                    **about,
                },
            ]
        rows.append(rows[-1] | {"frames": 2})
        with gzip.open(folder / f"sgd_{part}.jsonl.gz", "wt") as stream:
            stream.writelines(json.dumps(row) + "\n" for row in rows)
    return folder


def _scopes(folder: Path) -> Path:
    """Requests of two intents in each of three domains, and some for none."""
    folder.mkdir(parents=True)
    said = {
        "balance": "how much money have I got",
        "pay_bill": "pay the bill of",
        "traffic": "how is the traffic on",
        "gas": "is there enough gas to reach",
        "play_music": "play the song",
        "calendar": "what is on the calendar for",
    }
    found = {}
    for part, count in (("train", 12), ("val", 4), ("test", 4)):
        found[part] = [(f"{text} {n}", intent) for intent, text in said.items() for n in range(count)]
        outside = "oos_" + part
        found[outside] = [
            (f"who won the {word} cup in {n}", "oos") for word in ("world", "davis") for n in range(count)
        ]
    (folder / "clinc150.json").write_text(json.dumps(found))
    return folder


def _translations(folder: Path) -> Path:
    """Sentences of 2 to 16 words in two made-up languages, word by word; some have a second translation."""
    rng, words = random.Random(0), "red big cat dog sees the runs one two".split()
    (folder / "tatoeba_en_fr").mkdir(parents=True)
    rows = []
    for n in range(300):
        source = [rng.choice(words) for _ in range(rng.randrange(2, 17))]
        made = [f"{word[::-1]}e" for word in source]
        rows.append(f"{' '.join(source)}.\t{' '.join(made)}.")
        if n % 3 == 0:
            rows.append(f"{' '.join(source)}.\t{' '.join(reversed(made))}.")
    with zipfile.ZipFile(folder / "tatoeba_en_fr" / "fra-eng.zip", "w") as archive:
        archive.writestr("fra.txt", "\n".join(rows))
    return folder


def _clothes(folder: Path) -> Path:
    """Ten kinds of images of Fashion-MNIST's size: noise, brighter in one row."""
    folder.mkdir(parents=True)
    rng = random.Random(0)
    for part, count in (("train", 300), ("t10k", 100)):
        labels = bytes(n % 10 for n in range(count))
        images = bytes(
            min(255, rng.randrange(128) + 100 * (row == 2 * label + 4))
            for label in labels
            for row in range(28)
            for _ in range(28)
        )
        for name, header, content in (("images-idx3", 16, images), ("labels-idx1", 8, labels)):
            with gzip.open(folder / f"{part}-{name}-ubyte.gz", "wb") as stream:
                stream.write(bytes(header) + content)
    return folder


@pytest.mark.parametrize(
    "module",
    [
        module
        for module in FULL
        if not module.endswith(("untuned", "readers", "understanding", "long_documents", "congruent", "compatible"))
    ],
)  # own files
def test_runs(module: str, tmp_path: Path) -> None:
    arguments = [*SMOKE[module], "--out", str(tmp_path / "results")]
    if module.endswith(("judged_search", "selection", "policies", "drift", "ranker", "upgrades")):
        arguments += ["--data", str(_data(tmp_path / "data")), "--work", str(tmp_path / "work")]
    if module.endswith("off_policy"):
        arguments += ["--data", str(_logs(tmp_path / "data"))]
    if module.endswith(("contexts", "rejection")):
        make = _dialogues if module.endswith("contexts") else _scopes
        arguments += ["--data", str(make(tmp_path / "data")), "--work", str(tmp_path / "work")]
    if module.endswith("translation"):
        arguments += ["--data", str(_translations(tmp_path / "data")), "--work", str(tmp_path / "work")]
    if module.endswith("linear_finetuning"):
        arguments += ["--data", str(_clothes(tmp_path / "data")), "--work", str(tmp_path / "work")]
    if module.endswith("instructions"):
        arguments += ["--data", str(room_files(tmp_path / "data", walks=60)), "--work", str(tmp_path / "work")]
    if module.endswith("slim"):
        arguments += ["--data", str(_titles(tmp_path / "data")), "--work", str(tmp_path / "work")]
    if module.endswith(("million", "rerankers", "algorithms", "missions")):
        arguments += ["--work", str(tmp_path / "work")]
    run = subprocess.run(
        [sys.executable, "-m", module, *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr[-3000:]
    result = json.loads((tmp_path / "results" / f"{module.rsplit('.', 1)[1]}.json").read_text())
    assert result["commit"]
    assert result["machine"]["cores"]
