"""A little house: a hall with a door to each side, and a thing behind each; "go north", "go to the sofa", and nothing else."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import Tensor

from segue.act.demonstrations import Demonstrations, recorded
from segue.act.follower import Follower, Reader
from segue.act.goals import GoalGenerator
from segue.act.language import Vocabulary
from segue.act.views import HouseView
from segue.act.worlds.graphs import Graphs, House, Sight, graphs
from segue.act.worlds.walks import STOP, Houses, Walk

THINGS = ("bed", "lamp", "sink", "sofa")
SIDES = ("north", "east", "south", "west")


@dataclass(frozen=True)
class Little:
    """The house, its walks with their demonstrations, and their words."""

    graphs: Graphs
    walks: list[Walk]
    shown: Demonstrations
    vocabulary: Vocabulary
    words: Tensor

    @property
    def world(self) -> Houses:
        return Houses(self.graphs, horizon=4)

    def known(self, names: tuple[str, ...]) -> Tensor:
        """A vector for each word, the same whether it is read or seen."""
        rows = {word: np.random.default_rng(list(word.encode())).normal(size=16) for word in names if word}
        return torch.tensor(np.stack([rows.get(word, np.zeros(16)) for word in names]), dtype=torch.float32)

    def follower(self, *, seed: int = 0, dropout: float = 0.0, outputs: int = 1, remembers: int = 0) -> Follower:
        torch.manual_seed(seed)
        reader = Reader(self.known(self.vocabulary.words), width=32, dropout=dropout)
        names, words = self.known(self.graphs.names), self.known(self.vocabulary.words)
        view = HouseView(names, words, remembers=remembers, width=32, dropout=dropout)
        return Follower(reader, view, width=32, dropout=dropout, outputs=outputs)

    def generator(self, *, seed: int = 0, latent: int = 4) -> GoalGenerator:
        torch.manual_seed(seed)
        reader = Reader(self.known(self.vocabulary.words), width=32, dropout=0.0)
        view = HouseView(self.known(self.graphs.names), self.known(self.vocabulary.words), width=32, dropout=0.0)
        return GoalGenerator(reader, view, width=32, latent=latent, dropout=0.0)


@pytest.fixture(scope="session")
def little() -> Little:
    side = np.asarray([[0, 1], [1, 0], [0, -1], [-1, 0]], np.float32)
    positions = np.concatenate([np.zeros((1, 3)), np.pad(4 * side, ((0, 0), (0, 1)))]).astype(np.float32)
    headings = np.arange(4) * np.pi / 2
    houses = {}
    for number in range(4):
        things = np.roll(THINGS, number)
        hall = [Sight(str(thing), float(heading), 0.3) for thing, heading in zip(things, headings, strict=True)]
        rooms = [[Sight(str(thing), float(heading), 1.0)] for thing, heading in zip(things, headings, strict=True)]
        ways = [(0, 1 + at) for at in range(4)]
        houses[f"house {number}"] = House(("hall", *SIDES), positions, ways, [hall, *rooms])
    places = graphs(houses)
    walks, actions = [], []
    for number in range(4):
        for at in range(4):
            start, goal = places.number[f"house {number}", "hall"], places.number[f"house {number}", SIDES[at]]
            thing = str(np.roll(THINGS, number)[at])
            for text in (f"go {SIDES[at]}", f"go to the {thing}", f"walk to the {thing}"):
                walks.append(Walk(text, start, 0.0, (start, goal)))
                actions.append([1 + int(np.flatnonzero(places.ways[start] == goal)[0]), STOP])
    shown = recorded(Houses(places), walks, actions)
    vocabulary = Vocabulary.of(shown.instructions, least=1)
    return Little(places, walks, shown, vocabulary, vocabulary.ids(shown.instructions))
