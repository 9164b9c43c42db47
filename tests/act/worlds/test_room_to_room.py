"""Files of Room-to-Room's formats, made by hand: four viewpoints, of which one is not to be used."""

import gzip
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from segue.act.worlds.room_to_room import convert, houses, walks
from segue.errors import InvalidInput, NotFound

PLACES = ("aaa", "bbb", "ccc", "ddd")


def pose(x: float, y: float, z: float) -> list[float]:
    return [1, 0, 0, x, 0, 1, 0, y, 0, 0, 1, z, 0, 0, 0, 1]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """aaa and bbb see each other, bbb and ddd too, and all of them see ccc, which is left out."""
    joined = [[0, 1, 1, 0], [1, 0, 1, 1], [1, 1, 0, 1], [0, 1, 1, 0]]
    views = [
        {
            "image_id": place,
            "pose": pose(2.0 * number, 1.0, 0.5),
            "included": place != "ccc",
            "unobstructed": list(map(bool, row)),
        }
        for number, (place, row) in enumerate(zip(PLACES, joined, strict=True))
    ]
    (tmp_path / "connectivity").mkdir()
    (tmp_path / "connectivity" / "scan_connectivity.json").write_text(json.dumps(views))
    return tmp_path


def entries(folder: Path, **other: Any) -> Path:
    entry = {
        "scan": "scan",
        "heading": 1.5,
        "path": ["aaa", "bbb", "ddd"],
        "instructions": ["Go on.", "Walk."],
        "path_id": 7,
    }
    file = folder / "R2R_train.json"
    file.write_text(json.dumps([{name: value for name, value in {**entry, **other}.items() if value is not None}]))
    return file


def test_the_graph_has_what_is_included(folder: Path) -> None:
    built = houses(folder)
    assert built.houses == ("scan",)
    assert built.places == ("aaa", "bbb", "ddd")
    assert built.positions.tolist() == [[0, 1, 0.5], [2, 1, 0.5], [6, 1, 0.5]]
    assert built.ways.tolist() == [[1, -1], [0, 2], [1, -1]]
    assert built.headings[1].tolist() == pytest.approx([-math.pi / 2, math.pi / 2])
    assert built.names == ("",)


def test_objects_are_seen_where_their_views_are(folder: Path) -> None:
    objects = {"scan": {"aaa": {"1": ["lamp", [14, 15, 16]], "2": ["bed", [11, 12, 0]], "3": ["rug", [33]]}}}
    with gzip.open(folder / "objects.json.gz", "wt") as lines:
        json.dump(objects, lines)
    built = houses(folder, ["scan"])
    numbers = {name: number for number, name in enumerate(built.names)}
    assert sorted(numbers) == ["", "bed", "lamp", "rug"]
    assert built.along[0, 0].tolist() == [numbers["lamp"], 0, 0, 0, 0, 0]
    assert built.around[0, :3].tolist() == [numbers["lamp"], numbers["bed"], numbers["rug"]]
    assert not built.around[1:].any()


def test_every_instruction_is_a_walk(folder: Path) -> None:
    first, second = walks(entries(folder), houses(folder))
    assert (first.instruction, second.instruction) == ("Go on.", "Walk.")
    assert (first.start, first.heading, first.path, first.name) == (0, 1.5, (0, 1, 2), "7")
    assert [walk.name for walk in walks(entries(folder, path_id=None, id="x_1"), houses(folder))] == ["x_1", "x_1"]


def test_files_may_be_gzipped(folder: Path) -> None:
    file = entries(folder)
    packed = folder / "R2R_train.json.gz"
    packed.write_bytes(gzip.compress(file.read_bytes()))
    assert walks(packed, houses(folder)) == walks(file, houses(folder))


def test_a_folder_without_graphs(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"has no graph of connectivity.*SCAN_connectivity.json"):
        houses(tmp_path)


def test_scans_that_are_not_there(folder: Path) -> None:
    with pytest.raises(NotFound, match="has no graph of other"):
        houses(folder, ["scan", "other"])


@pytest.mark.parametrize(
    ("change", "missing"),
    [({"scan": "other"}, "other"), ({"path": ["aaa", "ccc"]}, "ccc"), ({"heading": None}, "heading")],
)
def test_entries_that_do_not_fit(folder: Path, change: dict[str, Any], missing: str) -> None:
    with pytest.raises(InvalidInput, match=rf"Entry 0 of .*{missing}.*missing"):
        walks(entries(folder, **change), houses(folder))


@pytest.mark.parametrize("path", [[], "aaa", None])
def test_entries_of_wrong_types(folder: Path, path: Any) -> None:
    with pytest.raises(InvalidInput, match="Entry 0"):
        walks(entries(folder, path=path), houses(folder))


def test_files_that_are_none(folder: Path) -> None:
    built = houses(folder)
    with pytest.raises(NotFound, match=r"R2R_no\.json is not there"):
        walks(folder / "R2R_no.json", built)
    for broken, name in ((b"[{", "broken.json"), (b"\xff\xfe", "bytes.json"), (b"no gzip", "broken.json.gz")):
        (folder / name).write_bytes(broken)
        with pytest.raises(InvalidInput, match="is no JSON"):
            walks(folder / name, built)
    (folder / "cut.json.gz").write_bytes(gzip.compress(b"[" * 10_000)[:30])
    with pytest.raises(InvalidInput, match="is no JSON"):
        walks(folder / "cut.json.gz", built)


@pytest.mark.parametrize("views", [{"image_id": "aaa"}, [{"image_id": "aaa"}], [3]])
def test_a_broken_graph(folder: Path, views: Any) -> None:
    (folder / "connectivity" / "scan_connectivity.json").write_text(json.dumps(views))
    with pytest.raises(InvalidInput, match=r"scan_connectivity\.json"):
        houses(folder)


def test_headings_are_floats_on_any_scan(folder: Path) -> None:
    built = houses(folder)
    assert built.headings.dtype == np.float32


def boxes(folder: Path, **thing: Any) -> Path:
    (folder / "BBox").mkdir()
    content = {"aaa": {"5": {"name": "sofa#chair", "visible_pos": [2, 3, 4], "bbox2d": [[1, 2, 3, 4]] * 3, **thing}}}
    (folder / "BBox" / "scan_aaa.json").write_text(json.dumps(content))
    return folder / "BBox"


def test_bounding_boxes_become_names(folder: Path) -> None:
    assert convert(boxes(folder), folder).name == "objects.json.gz"
    built = houses(folder)
    assert built.names == ("", "sofa chair")
    assert built.along[0, 0, 0] == 1
    assert not built.along[1].any()


def test_other_files_are_no_bounding_boxes(folder: Path) -> None:
    with pytest.raises(NotFound, match="no bounding boxes"):
        convert(folder, folder)
    with pytest.raises(InvalidInput, match="no file of bounding boxes"):
        convert(boxes(folder, visible_pos=None), folder)
    assert not (folder / "objects.json.gz").exists()
