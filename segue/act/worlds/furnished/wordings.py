"""The phrases that instructions are put together from, each with common wordings and others that are held out.

Held-out wordings are used only when asked for. They say the same with words that common wordings use as well, so that whoever
learned from the common ones knows every word, and is asked whether it understands them in another phrase.
"""

from dataclasses import dataclass
from typing import Literal

Wordings = Literal["common", "held out"]


@dataclass(frozen=True, slots=True)
class Phrases:
    """Ways to say one thing; what stands in braces is filled in."""

    common: tuple[str, ...]
    held_out: tuple[str, ...]

    def of(self, wordings: Wordings) -> tuple[str, ...]:
        return self.common if wordings == "common" else self.held_out


def _to(side: str) -> dict[str, Phrases]:
    return {
        side: Phrases(
            (f"turn {side}", f"take a {side}", f"make a {side}", f"go {side}", f"make a {side} turn"),
            (f"turn to your {side}", f"take a turn to the {side}"),
        ),
        f"slightly {side}": Phrases(
            (f"bear {side}", f"turn slightly {side}", f"veer {side}", f"go slightly to the {side}"),
            (f"turn slightly to your {side}", f"bear slightly {side}"),
        ),
    }


TURNS = {
    **_to("left"),
    **_to("right"),
    "around": Phrases(("turn around", "turn back", "make a u-turn"), ("go back around", "take a u-turn")),
}
STRAIGHT = Phrases(
    ("go straight", "go straight ahead", "walk forward", "keep going straight", "continue forward"),
    ("walk straight ahead", "continue straight", "keep going forward"),
)
ALONG = Phrases(
    ("walk down the {room}", "go along the {room}", "continue down the {room}", "keep going down the {room}"),
    ("go down the {room}", "continue along the {room}"),
)
LEAVES = Phrases(
    ("leave the {room}", "exit the {room}", "go out of the {room}", "walk out of the {room} through the door"),
    ("walk out of the {room}", "exit the {room} through the door"),
)
ENTERS = Phrases(
    (
        "enter the {room}",
        "go into the {room}",
        "walk into the {room}",
        "go through the door into the {room}",
        "step into the {room}",
    ),
    ("walk through the door into the {room}", "step through the door and into the {room}"),
)
SIDEWAYS = Phrases(("{enters} on your {side}", "{enters} to the {side}"), ("{enters} to your {side}",))
PASSES = Phrases(
    ("go past the {thing}", "walk past the {thing}", "pass the {thing}", "walk by the {thing}"),
    ("go by the {thing}", "continue past the {thing}"),
)
CLIMBS = {
    1: Phrases(
        ("go up the stairs", "walk up the stairs", "climb the stairs", "take the stairs up", "go upstairs"),
        ("take the stairs and go up", "walk upstairs"),
    ),
    -1: Phrases(
        ("go down the stairs", "walk down the stairs", "take the stairs down", "go downstairs"),
        ("take the stairs and go down", "walk downstairs"),
    ),
}
STOPS = Phrases(
    (
        "stop at the {thing}",
        "wait by the {thing}",
        "stop next to the {thing}",
        "stop in front of the {thing}",
        "stand near the {thing}",
        "wait in the {room} by the {thing}",
        "stop at the {thing} in the {room}",
    ),
    ("stop and wait next to the {thing}", "wait in front of the {thing}", "stand in the {room} at the {thing}"),
)
JOINS = Phrases((". ", ", then ", " and ", ", "), (", and then ", ". Then "))

LEADS = Phrases(
    ("", "", "please ", "can you ", "could you please ", "I need you to ", "I want you to "),
    ("", "can you please ", "could you ", "I need you to please "),
)
GOALS = Phrases(
    (
        "go to the {room} and stop at the {thing}",
        "walk to the {room} and wait by the {thing}",
        "go into the {room} and stand next to the {thing}",
        "go to the {room}, look for the {thing} and wait there",
        "go to the {room} and find the {thing}",
        "enter the {room} and stop in front of the {thing}",
        "find the {thing} in the {room}",
        "find the {thing} in the {room} and check it",
        "look for the {thing} that is in the {room}",
        "come to the {thing} in the {room}",
        "check the {thing} in the {room}",
        "clean the {thing} in the {room}",
        "stop at the {thing} in the {room}",
    ),
    (
        "find the {thing} that is in the {room} and stop there",
        "walk to the {thing} in the {room} and wait",
        "go into the {room} and check the {thing}",
        "stand by the {thing} in the {room}",
        "enter the {room}, find the {thing} and clean it",
        "look in the {room} for the {thing} and wait there",
    ),
)
ON_FLOOR = Phrases(("{floor} {room}", "{room} {floor}"), ("{room} that is {floor}",))
FLOORS = ("downstairs", "upstairs")

ERRANDS = {
    "bathtub": ("run a bath in the {thing} in the {room}",),
    "bed": ("make the {thing} in the {room}",),
    "bookcase": ("get a book from the {thing} in the {room}", "dust the {thing} in the {room}"),
    "car": ("wash the {thing} in the {room}",),
    "clock": ("see what time it is on the {thing} in the {room}",),
    "coat rack": ("get my coat from the {thing} in the {room}",),
    "coffee machine": ("make coffee with the {thing} in the {room}",),
    "dishwasher": ("empty the {thing} in the {room}",),
    "dryer": ("empty the {thing} in the {room}",),
    "fireplace": ("light the {thing} in the {room}",),
    "front door": ("see who is at the {thing} in the {room}",),
    "lamp": ("turn off the {thing} in the {room}",),
    "mirror": ("wipe the {thing} in the {room}",),
    "painting": ("look at the {thing} in the {room}", "dust the {thing} in the {room}"),
    "piano": ("play the {thing} in the {room}",),
    "plant": ("water the {thing} in the {room}",),
    "refrigerator": ("get the milk out of the {thing} in the {room}",),
    "sink": ("wash your hands at the {thing} in the {room}", "get some water from the {thing} in the {room}"),
    "sofa": ("sit down on the {thing} in the {room}",),
    "stove": ("boil some water on the {thing} in the {room}",),
    "table": ("set the {thing} in the {room}", "wipe the {thing} in the {room}"),
    "television": ("turn on the {thing} in the {room}",),
    "toilet": ("clean the {thing} in the {room}",),
    "trash can": ("empty the {thing} in the {room}",),
    "washing machine": ("put the laundry into the {thing} in the {room}",),
    "window": ("open the {thing} in the {room}", "close the {thing} in the {room}"),
}
"""What one may want done at a thing; common wordings only."""

ROOMS = {
    "bathroom": ("bathroom", "bathroom", "washroom"),
    "gym": ("gym", "exercise room"),
    "hallway": ("hallway", "hall", "corridor"),
    "laundry room": ("laundry room", "utility room"),
    "living room": ("living room", "living room", "lounge", "sitting room"),
    "office": ("office", "study"),
    "playroom": ("playroom", "children's room"),
}
"""What people call a kind of room; those that are not here have but one name."""

THINGS = {
    "armchair": ("armchair", "easy chair"),
    "bathtub": ("bathtub", "tub"),
    "bicycle": ("bicycle", "bike"),
    "bookcase": ("bookcase", "bookshelf"),
    "computer": ("computer", "PC"),
    "counter": ("counter", "countertop"),
    "dresser": ("dresser", "chest of drawers"),
    "exercise bike": ("exercise bike", "stationary bike"),
    "lamp": ("lamp", "light"),
    "nightstand": ("nightstand", "bedside table"),
    "painting": ("painting", "picture"),
    "plant": ("plant", "potted plant"),
    "refrigerator": ("refrigerator", "fridge"),
    "rug": ("rug", "carpet"),
    "sofa": ("sofa", "couch"),
    "stove": ("stove", "cooker"),
    "television": ("television", "TV"),
    "trash can": ("trash can", "bin"),
    "wardrobe": ("wardrobe", "closet"),
    "washing machine": ("washing machine", "washer"),
}
