"""One house to live in: where one comes in, what stands near a place, and the house as plain data to draw a map from."""

import math
from typing import Any

import numpy as np

from segue.act.worlds.furnished.floor_plan import FloorPlan
from segue.act.worlds.furnished.furniture import HALLWAY
from segue.act.worlds.furnished.houses import FurnishedHouses
from segue.act.worlds.walks import NEAR


def entrance(houses: FurnishedHouses, number: int) -> tuple[int, float]:
    """The place in the hallway of a house that is nearest to its front door, and the heading of who comes in there."""
    plan = houses.plans[number]
    first, last = houses.graphs.starts[number : number + 2].tolist()
    inside = [
        place for place in range(first, last) if houses.room(place).kind == HALLWAY and not houses.room(place).floor
    ]
    hallway = int(houses.room_of[inside[0]])
    west, south, east, north = plan.rooms[hallway].rectangle
    doors = [thing.position for thing in plan.things if thing.room == hallway and thing.name == "front door"]
    door = np.array(doors[0] if doors else (west, south))
    away = np.linalg.norm(houses.graphs.positions[inside, :2] - door, axis=1)
    ahead = np.array([(west + east) / 2, (south + north) / 2]) - door
    return inside[int(away.argmin())], math.atan2(*ahead)


def thing_at(houses: FurnishedHouses, place: int, wanted: str = "") -> str:
    """What stands at a place: the thing that is wanted where one of that name is within `NEAR` in the same room, else the nearest
    one in the room; nothing in an empty room."""
    here, room = houses.graphs.positions[place, :2], int(houses.room_of[place])
    apart = dict[str, float]()
    for thing in houses.plan(place).things:
        if thing.room == room:
            away = float(np.linalg.norm(here - thing.position))
            apart[thing.name] = min(away, apart.get(thing.name, away))
    if apart.get(wanted, NEAR) < NEAR:
        return wanted
    return min(apart, key=lambda name: apart[name], default="")


def drawn(plan: FloorPlan) -> dict[str, Any]:
    """A floor plan as plain data, in metres, x to the east and y to the north."""
    return {
        "rooms": [
            {
                "kind": room.kind,
                "floor": room.floor,
                **dict(zip(("west", "south", "east", "north"), room.rectangle, strict=True)),
            }
            for room in plan.rooms
        ],
        "doors": [
            {
                "floor": door.floor,
                "x": door.position[0],
                "y": door.position[1],
                "width": door.width,
                "across": "xy"[door.axis],
            }
            for door in plan.doors
        ],
        "things": [
            {
                "name": thing.name,
                "room": thing.room,
                "floor": plan.rooms[thing.room].floor,
                "x": thing.position[0],
                "y": thing.position[1],
                "radius": thing.radius,
            }
            for thing in plan.things
        ],
    }
