"""Generated houses in the files of Room-to-Room: nine of them, with walks in each of three splits."""

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np

from segue.act.worlds.furnished.houses import furnished
from segue.act.worlds.furnished.instructions import walks_in
from segue.act.worlds.graphs import NOWHERE


def room_files(folder: Path, *, walks: int = 90) -> Path:
    """Write connectivity, objects and R2R_SPLIT.json of the splits train, val_seen and val_unseen, all in the same houses."""
    built = furnished(9, seed=5)
    graphs = built.graphs
    (folder / "connectivity").mkdir(parents=True)
    seen: dict[str, dict[str, Any]] = {}
    for number, house in enumerate(graphs.houses):
        inside = np.flatnonzero(graphs.house == number)
        views = []
        for here in inside:
            x, y, z = graphs.positions[here].tolist()
            joined = np.isin(inside, graphs.ways[here][graphs.ways[here] != NOWHERE])
            views.append(
                {
                    "image_id": graphs.places[here],
                    "pose": [1, 0, 0, x, 0, 1, 0, y, 0, 0, 1, z, 0, 0, 0, 1],
                    "included": True,
                    "unobstructed": joined.tolist(),
                }
            )
            names = [graphs.names[one] for one in graphs.around[here] if one]
            seen.setdefault(house, {})[graphs.places[here]] = {str(at): [name, [at]] for at, name in enumerate(names)}
        (folder / "connectivity" / f"{house}_connectivity.json").write_text(json.dumps(views))
    (folder / "objects.json.gz").write_bytes(gzip.compress(json.dumps(seen).encode()))
    for seed, split in enumerate(("train", "val_seen", "val_unseen"), 1):
        entries = [
            {
                "scan": graphs.houses[graphs.house[walk.start]],
                "heading": walk.heading,
                "path": [graphs.places[place] for place in walk.path],
                "instructions": [walk.instruction],
                "path_id": at,
            }
            for at, walk in enumerate(walks_in(built, walks, seed=seed))
        ]
        (folder / f"R2R_{split}.json").write_text(json.dumps(entries))
    return folder
