"""The demo's agent: it learns to follow instructions in generated houses, of which the first is the home that it walks in."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from segue.act.grounds import Ground, of_walks
from segue.act.worlds.furnished.houses import furnished
from segue.act.worlds.furnished.instructions import walks_in
from segue.act.worlds.walks import Walk
from segue.live_agents import publish
from segue.recipes.demo import HOME, acts
from segue.recipes.train_agent import Plan, train_agent
from segue.store import Store

SEED = 14
PARTS = 8
"""Of so many parts of the walks at home one is held out to choose by, and one to try the agent on."""
PLAN = Plan(
    cloning=700, naming=0, exploring=0, reward=100, inverse=0, comparing=0, width=64, dropout=0.1, judged=100, rate=3e-3
)
"""Two minutes of one core."""


def ground(
    *, houses: int = 30, walks: int = 2000, own: int = 900, wordings: int = 3, seed: int = SEED
) -> tuple[Ground, list[Walk]]:
    """What there is to learn from, and walks at home that nothing was learned from or chosen by: `own` ways at home in so many
    `wordings`, and `walks` in all houses. No two parts have a start and an end in common."""
    built = furnished(houses, seed=seed)
    # The first house of a seed is the same however many are built, and so are the numbers of its places.
    at_home = walks_in(furnished(1, seed=seed), own, seed=seed, instructions=wordings)
    ways = dict.fromkeys((walk.start, walk.path[-1]) for walk in at_home)
    part = dict(zip(ways, np.arange(len(ways)) % PARTS, strict=True))

    def those(parts: Sequence[int]) -> list[Walk]:
        return [walk for walk in at_home if part[walk.start, walk.path[-1]] in parts]

    elsewhere = [walk for walk in walks_in(built, walks, seed=seed) if built.graphs.house[walk.start]]
    return of_walks(built.graphs, those(range(2, PARTS)) + elsewhere, those([0])[::2]), those([1])


def act(folder: Path, *, plan: Plan = PLAN, **sizes: int) -> dict[str, Any] | None:
    """Train the agent and let it go live, unless one is. Stopped, the same call goes on. `sizes` are those of `ground`. Returns
    what `train_agent` says; None where nothing was trained."""
    if acts(folder):
        return None
    out, trained = folder / "agent", None
    if not out.exists():
        house = {"seed": sizes.get("seed", SEED), "number": 0}
        about = {"world": "houses", "house": house}
        trained = train_agent(ground(**sizes)[0], out, plan=plan, about=about, progress=False)
    publish(Store.open(folder, create=False), out, domain=HOME)
    return trained
