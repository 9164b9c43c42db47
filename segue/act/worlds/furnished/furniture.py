"""What kinds of rooms there are, how big they like to be, and what stands in them; all of it written by hand for Segue."""

from dataclasses import dataclass
from typing import Literal

HALLWAY, STAIRS = "hallway", "stairs"

Stands = Literal["by a wall", "free", "on a wall", "on an outer wall"]


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of furniture or another thing: where it stands, and half its width in metres."""

    stands: Stands
    radius: float


PIECES = {
    "armchair": Piece("by a wall", 0.45),
    "bathtub": Piece("by a wall", 0.8),
    "bean bag": Piece("free", 0.4),
    "bed": Piece("by a wall", 1.0),
    "bench": Piece("by a wall", 0.5),
    "bicycle": Piece("by a wall", 0.7),
    "bookcase": Piece("by a wall", 0.5),
    "broom": Piece("by a wall", 0.15),
    "cabinet": Piece("by a wall", 0.5),
    "car": Piece("free", 1.3),
    "chair": Piece("free", 0.3),
    "chandelier": Piece("free", 0.35),
    "clock": Piece("on a wall", 0.2),
    "coat rack": Piece("by a wall", 0.25),
    "coffee machine": Piece("by a wall", 0.2),
    "coffee table": Piece("free", 0.5),
    "computer": Piece("by a wall", 0.3),
    "counter": Piece("by a wall", 0.8),
    "crate": Piece("by a wall", 0.3),
    "desk": Piece("by a wall", 0.7),
    "dishwasher": Piece("by a wall", 0.3),
    "dollhouse": Piece("by a wall", 0.35),
    "dresser": Piece("by a wall", 0.5),
    "dryer": Piece("by a wall", 0.35),
    "exercise bike": Piece("free", 0.5),
    "fireplace": Piece("by a wall", 0.6),
    "freezer": Piece("by a wall", 0.4),
    "front door": Piece("on an outer wall", 0.5),
    "globe": Piece("by a wall", 0.25),
    "ironing board": Piece("free", 0.5),
    "ladder": Piece("by a wall", 0.3),
    "lamp": Piece("by a wall", 0.2),
    "laundry basket": Piece("by a wall", 0.25),
    "microwave": Piece("by a wall", 0.25),
    "mirror": Piece("on a wall", 0.3),
    "nightstand": Piece("by a wall", 0.25),
    "painting": Piece("on a wall", 0.4),
    "piano": Piece("by a wall", 0.75),
    "plant": Piece("by a wall", 0.25),
    "printer": Piece("by a wall", 0.25),
    "refrigerator": Piece("by a wall", 0.4),
    "rug": Piece("free", 0.8),
    "shelf": Piece("by a wall", 0.5),
    "shower": Piece("by a wall", 0.45),
    "sink": Piece("by a wall", 0.3),
    "sofa": Piece("by a wall", 1.0),
    "stove": Piece("by a wall", 0.35),
    "table": Piece("free", 0.8),
    "television": Piece("by a wall", 0.5),
    "toilet": Piece("by a wall", 0.25),
    "toolbox": Piece("by a wall", 0.2),
    "towel rack": Piece("on a wall", 0.3),
    "toy chest": Piece("by a wall", 0.4),
    "trash can": Piece("by a wall", 0.2),
    "treadmill": Piece("free", 0.7),
    "wardrobe": Piece("by a wall", 0.7),
    "washing machine": Piece("by a wall", 0.35),
    "window": Piece("on an outer wall", 0.6),
    "workbench": Piece("by a wall", 0.8),
}


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of room: the area that suits it in m², and how often it has each thing; what comes first is put up first."""

    area: float
    things: dict[str, float]


KINDS = {
    "kitchen": Kind(
        14,
        {
            "counter": 0.8,
            "refrigerator": 1,
            "stove": 1,
            "sink": 1,
            "table": 0.5,
            "dishwasher": 0.6,
            "microwave": 0.6,
            "coffee machine": 0.5,
            "trash can": 0.5,
            "window": 0.6,
        },
    ),
    "living room": Kind(
        24,
        {
            "sofa": 1,
            "television": 0.8,
            "coffee table": 0.8,
            "fireplace": 0.4,
            "piano": 0.3,
            "bookcase": 0.5,
            "armchair": 0.6,
            "lamp": 0.5,
            "plant": 0.5,
            "rug": 0.4,
            "painting": 0.5,
            "window": 0.7,
        },
    ),
    "dining room": Kind(
        16,
        {
            "table": 1,
            "cabinet": 0.7,
            "chair": 0.8,
            "chandelier": 0.6,
            "plant": 0.4,
            "mirror": 0.4,
            "painting": 0.5,
            "window": 0.6,
        },
    ),
    "bathroom": Kind(
        6,
        {
            "bathtub": 0.5,
            "sink": 1,
            "toilet": 0.9,
            "shower": 0.6,
            "mirror": 0.8,
            "cabinet": 0.3,
            "laundry basket": 0.3,
            "towel rack": 0.6,
            "window": 0.3,
        },
    ),
    "bedroom": Kind(
        14,
        {
            "bed": 1,
            "wardrobe": 0.8,
            "nightstand": 0.8,
            "dresser": 0.6,
            "desk": 0.3,
            "television": 0.2,
            "chair": 0.3,
            "lamp": 0.5,
            "rug": 0.3,
            "mirror": 0.4,
            "painting": 0.3,
            "window": 0.7,
        },
    ),
    "office": Kind(
        11,
        {
            "desk": 1,
            "bookcase": 0.7,
            "computer": 0.8,
            "chair": 0.8,
            "printer": 0.6,
            "plant": 0.4,
            "lamp": 0.4,
            "clock": 0.4,
            "window": 0.6,
        },
    ),
    "laundry room": Kind(
        7,
        {
            "washing machine": 1,
            "dryer": 0.9,
            "sink": 0.5,
            "ironing board": 0.6,
            "laundry basket": 0.6,
            "cabinet": 0.4,
            "window": 0.2,
        },
    ),
    "garage": Kind(
        20,
        {"car": 0.9, "workbench": 0.7, "bicycle": 0.6, "freezer": 0.3, "shelf": 0.5, "toolbox": 0.6, "ladder": 0.4},
    ),
    "pantry": Kind(5, {"shelf": 1, "freezer": 0.5, "crate": 0.6, "broom": 0.6, "trash can": 0.3}),
    "library": Kind(
        13,
        {
            "bookcase": 1,
            "desk": 0.4,
            "armchair": 0.9,
            "fireplace": 0.3,
            "globe": 0.5,
            "lamp": 0.5,
            "rug": 0.5,
            "painting": 0.4,
            "window": 0.5,
        },
    ),
    "gym": Kind(
        14, {"treadmill": 0.9, "exercise bike": 0.8, "bench": 0.6, "television": 0.4, "mirror": 0.7, "window": 0.4}
    ),
    "playroom": Kind(
        12,
        {
            "toy chest": 1,
            "sofa": 0.3,
            "piano": 0.2,
            "bookcase": 0.4,
            "dollhouse": 0.6,
            "bean bag": 0.6,
            "rug": 0.5,
            "window": 0.5,
        },
    ),
    HALLWAY: Kind(
        14,
        {
            "front door": 1,
            "coat rack": 0.6,
            "bench": 0.4,
            "plant": 0.4,
            "clock": 0.4,
            "mirror": 0.4,
            "painting": 0.6,
            "window": 0.3,
        },
    ),
    STAIRS: Kind(6, {}),
}

GROUND = ("kitchen", "living room", "bathroom")
"""What every house has on its ground floor; a house of one floor has a bedroom there as well."""
UPPER = ("bedroom", "bathroom", "bedroom")
ALSO_ON_GROUND = ("dining room", "office", "laundry room", "garage", "bedroom", "pantry", "library", "gym", "playroom")
ALSO_ABOVE = ("bedroom", "office", "bathroom", "library", "gym", "playroom", "laundry room")

TOGETHER = {
    frozenset(pair)
    for pair in (
        ("kitchen", "dining room"),
        ("kitchen", "living room"),
        ("kitchen", "pantry"),
        ("dining room", "living room"),
        ("living room", "library"),
        ("bedroom", "bathroom"),
        ("laundry room", "garage"),
    )
}
"""Kinds of rooms that like a door between them."""
PRIVATE = ("bathroom", "bedroom", "garage", "pantry", "laundry room")
"""Kinds that one would rather not pass through."""
