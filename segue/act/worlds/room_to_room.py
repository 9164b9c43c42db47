"""Room-to-Room without pixels: the navigation graphs of 90 houses, and people's instructions for 7,189 paths in them.

Anderson et al., "Vision-and-Language Navigation", CVPR 2018. Looked for in the folder: `connectivity/SCAN_connectivity.json` of
the Matterport3D simulator, `R2R_SPLIT.json` of the data set (or files of REVERIE, which have the same fields), and
`objects.json.gz`, `{scan: {viewpoint: {object: [name, [view, …]]}}}`, which `convert` makes from REVERIE's bounding boxes.
Graphs, names and paths are derived from Matterport3D, whose terms allow non-commercial academic use; Segue ships none of them.
"""

import gzip
import json
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from segue.act.worlds.graphs import Graphs, House, Sight, graphs
from segue.act.worlds.walks import Walk
from segue.errors import InvalidInput, NotFound

_COLUMNS = 12
"""Views stand 30° apart, clockwise from +y, in three rows: 30° down, level, 30° up."""


def houses(folder: Path | str, scans: Sequence[str] | None = None) -> Graphs:
    """The graphs of the folder's scans, or of those named. Raises `NotFound` without files, `InvalidInput` for broken ones."""
    folder = Path(folder)
    found = sorted(
        file.name.removesuffix("_connectivity.json") for file in folder.glob("connectivity/*_connectivity.json")
    )
    if missing := sorted(set(scans or found or ["connectivity"]) - set(found)):
        raise NotFound(
            f"{folder} has no graph of {', '.join(missing[:5])}.",
            expected="connectivity/SCAN_connectivity.json of the Matterport3D simulator for each scan",
            fix="see `segue train agent --help` for where these files are had",
        )
    seen = read(folder / "objects.json.gz") if (folder / "objects.json.gz").exists() else {}
    return graphs({scan: _house(folder, scan, seen.get(scan, {})) for scan in (scans or found)})


def walks(file: Path | str, places: Graphs) -> list[Walk]:
    """Every instruction of a file of Room-to-Room's or REVERIE's format, as a walk with its goal.

    Raises `InvalidInput` for a house or a place that the graphs have not, or fields that are missing.
    """
    found = []
    for number, entry in enumerate(read(Path(file))):
        try:
            scan, heading, texts = entry["scan"], float(entry["heading"]), entry["instructions"]
            path = tuple(places.number[scan, place] for place in entry["path"])
            start = path[0]
        except (KeyError, IndexError, TypeError, ValueError) as error:
            wrong = (
                f"names {error.args[0]!r}, which is missing" if isinstance(error, KeyError) else f"is wrong: {error}"
            )
            raise InvalidInput(
                f"Entry {number} of {file} {wrong}.",
                expected="scan, heading, path and instructions, of places that are in the graphs",
            ) from None
        found += [
            Walk(text, start, heading, path, str(entry.get("path_id", entry.get("id", number)))) for text in texts
        ]
    return found


def convert(boxes: Path | str, folder: Path | str) -> Path:
    """Write `objects.json.gz` into a folder of Room-to-Room, from REVERIE's bounding boxes: files `SCAN_VIEWPOINT.json` of
    `{viewpoint: {object: {"name": …, "visible_pos": [view, …]}}}`, as they lie in its folder BBox.

    Raises `NotFound` where there are none, `InvalidInput` for one that is not so. What was there is replaced when all were read.
    """
    found: dict[str, dict[str, dict[str, tuple[str, list[int]]]]] = {}
    for file in sorted(Path(boxes).glob("*_*.json")):
        scan, _, viewpoint = file.stem.partition("_")
        try:
            things = read(file)[viewpoint].items()
            found.setdefault(scan, {})[viewpoint] = {
                number: (str(thing["name"]).replace("#", " "), [int(view) for view in thing["visible_pos"]])
                for number, thing in things
            }
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InvalidInput(
                f"{file} is no file of bounding boxes: {error!r}.", expected="name and visible_pos of each object"
            ) from None
    if not found:
        raise NotFound(f"{boxes} has no bounding boxes.", expected="files SCAN_VIEWPOINT.json of REVERIE's BBox folder")
    target = Path(folder) / "objects.json.gz"
    part = target.with_name(f".{target.name}.part")
    with gzip.open(part, "wt", encoding="utf-8") as stream:
        json.dump(found, stream)
    part.replace(target)
    return target


def read(file: Path) -> Any:
    """JSON, gzipped or not."""
    try:
        with gzip.open(file, "rt", encoding="utf-8") if file.suffix == ".gz" else file.open(encoding="utf-8") as lines:
            return json.load(lines)
    except FileNotFoundError:
        raise NotFound(f"{file} is not there.", expected="a file of Room-to-Room") from None
    except (json.JSONDecodeError, UnicodeDecodeError, gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise InvalidInput(f"{file} is no JSON: {error}.", expected="a file of Room-to-Room") from None


def _house(folder: Path, scan: str, seen: Mapping[str, Mapping[str, tuple[str, list[int]]]]) -> House:
    file = folder / "connectivity" / f"{scan}_connectivity.json"
    views = read(file)
    try:
        kept = [number for number, view in enumerate(views) if view["included"]]
        place = {number: at for at, number in enumerate(kept)}
        names = [views[number]["image_id"] for number in kept]
        ways = [
            (place[one], place[other])
            for one in kept
            for other in np.flatnonzero(views[one]["unobstructed"]).tolist()
            if one < other and other in place
        ]
        positions = np.asarray([[views[number]["pose"][at] for at in (3, 7, 11)] for number in kept], np.float32)
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise InvalidInput(
            f"{file} is no graph: {type(error).__name__}: {error}.",
            expected="a list of viewpoints, each with image_id, pose, included and unobstructed",
        ) from None
    return House(names, positions, ways, [[_sight(*thing) for thing in seen.get(name, {}).values()] for name in names])


def _sight(name: str, views: Sequence[int]) -> Sight:
    angles = np.asarray(sorted({view % _COLUMNS for view in views})) * (2 * np.pi / _COLUMNS)
    middle = np.arctan2(np.sin(angles).sum(), np.cos(angles).sum())
    return Sight(name, float(middle), float(len(angles) * np.pi / _COLUMNS))
