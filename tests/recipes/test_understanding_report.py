"""What the console's page Domains tells: what is live, where it came from, and what it was measured at."""

import shutil
from pathlib import Path

from segue.engine import Engine
from segue.live_readers import PART, publish, restore, retire
from segue.recipes.train_reader import folder
from segue.recipes.train_reranker import train_reranker
from segue.recipes.understanding_report import understanding_report
from segue.understand.interpreter import REPORTS, RERANKERS
from tests.spoken_at_home import UTTERANCES


def _states(engine: Engine) -> dict[str, str]:
    return {one["domain"]: one["state"] for one in understanding_report(engine)["domains"]}


def test_without_readers(engine: Engine) -> None:
    about = understanding_report(engine)
    assert (about["by"], about["without"], about["run"]) == ("choice", ["books", "films"], None)
    assert [(one["domain"], one["items"], one["state"]) for one in about["domains"]] == [
        ("books", 4, "none"),
        ("films", 8, "none"),
    ]
    assert all(one["reader"] is one["measured"] is one["artifact"] is None for one in about["domains"])


def test_what_is_live(reading: Engine) -> None:
    about = understanding_report(reading)
    assert (about["by"], about["without"]) == ("readers", [])
    assert [(one["domain"], one["items"]) for one in about["domains"]] == [("books", 4), ("films", 8), ("home", None)]
    for one in about["domains"]:
        assert (one["state"], one["problem"]) == ("live", None)
        assert one["artifact"].startswith(f"{PART}{one['domain']}-")
        assert one["reader"]["parent"] is one["reranker"]["parent"] is None
        assert one["reranker"]["requests"] == len(UTTERANCES)
        assert one["measured"]["requests"] == sum(said.domain == one["domain"] for said in UTTERANCES)
        assert one["measured"]["reliability"]["re-ranker"]
        assert "run" not in one["measured"]
    assert about["run"]["requests"] == len(UTTERANCES)
    assert about["run"]["confusion"]["product"]["names"] == ["books", "films", "home", "other"]
    assert about["run"]["decisions"]["changed"] >= 0


def test_the_last_training_is_told(reading: Engine, taught: Path, tmp_path: Path) -> None:
    model = Path(shutil.copytree(taught, tmp_path / "model"))
    train_reranker(taught.parent / "requests.jsonl", model, domain="films", processes=1)
    places = (folder(model, "films"), folder(model / RERANKERS, "films"), folder(model / REPORTS, "films"))
    publish(reading.store, {"films": places})
    about = understanding_report(reading)
    assert about["run"]["trained"] == ["films"]
    assert about["run"]["decisions"]["changed"] == 0
    films = next(one for one in about["domains"] if one["domain"] == "films")
    assert films["reranker"]["parent"] == films["reranker"]["hash"]  # the same data, the same re-ranker


def test_retired_and_restored(reading: Engine) -> None:
    retire(reading.store, "films")
    assert _states(reading) == {"books": "live", "films": "retired", "home": "live"}
    about = understanding_report(reading)
    assert (about["by"], about["without"]) == ("readers", [])
    assert about["domains"][1]["measured"] is not None
    restore(reading.store, "films")
    assert set(_states(reading).values()) == {"live"}


def test_what_is_damaged_is_said_and_harms_no_other(reading: Engine) -> None:
    live = reading.store.live_parts(PART)
    (live[f"{PART}home"] / "report" / "report.json").write_text("{}")
    about = understanding_report(reading)
    books, films, home = about["domains"]
    assert (home["state"], home["measured"]) == ("live", None)  # it reads as before
    assert "report.json" in home["problem"]
    assert books["problem"] is films["problem"] is None
    assert about["run"] is not None


def test_a_reader_that_cannot_be_used(engine: Engine, reading: Engine) -> None:
    live = reading.store.live_parts(PART)[f"{PART}films"]
    (live / "reader" / "seen.json").write_text("{}")
    with Engine.open(reading.store.folder, encoder=reading.encoder) as other:
        about = understanding_report(other)
    assert (about["by"], about["without"]) == ("choice", ["films"])
    assert about["domains"][1]["state"] == "refused"
    assert "seen.json" in about["domains"][1]["problem"]


def test_readers_that_were_published_without_a_report(reading: Engine, taught: Path) -> None:
    publish(reading.store, {"films": (folder(taught, "films"),)})
    films = understanding_report(reading)["domains"][1]
    assert (films["state"], films["reranker"], films["measured"]) == ("live", None, None)
