"""A store whose encoder can be replaced: 120 films, embedded by a small network of random weights, always the same."""

from itertools import product
from pathlib import Path

import torch

from segue.engine import Engine
from segue.recipes.use_encoder import use_encoder
from segue.store import Store
from tests.tiny_bert import write as write_tiny_bert

WHO = ("pilot", "baker", "widow", "sailor", "teacher", "robot", "dragon", "spy", "singer", "doctor", "ghost", "farmer")
WHERE = (
    "Paris",
    "the desert",
    "space",
    "a lighthouse",
    "the jungle",
    "Tokyo",
    "a submarine",
    "the circus",
    "Rome",
    "the moon",
)
FILMS = [
    {"id": f"f{place}", "title": f"The {who} of {where}", "votes": 1000 - place}
    for place, (who, where) in enumerate(product(WHO, WHERE))
]


def make(folder: Path) -> Path:
    torch.manual_seed(0)
    (folder / "tiny").mkdir()
    use_encoder(Store.open(folder / "store"), write_tiny_bert(folder / "tiny"))
    with Engine.open(folder / "store") as engine:
        engine.index(FILMS, domain="films")
    return folder / "store"
