"""Furnished houses of our own making, and instructions for walks in them: no file is needed and no licence asked.

They are `Graphs` and `Walk`s just as Room-to-Room's, so whatever walks there walks here. A file each: `furniture` (the kinds of
rooms and what stands in them), `floor_plan` (rooms, doors and things of a house), `places` (where one can stand, and the ways
between), `houses` (what is seen from there; the houses as graphs), `routes` (paths, and what happens on them), `wordings` (the
phrases, common ones and held out), `instructions` (a path in words).
"""
