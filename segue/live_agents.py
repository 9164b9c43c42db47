"""Who acts in a store now: the agents that are live, one pointer an acting domain, each in a generated house.

`acting-DOMAIN` in live.json names an artifact of the kind `agent` whose meta says in which house it walks: the `seed` of the
houses and the `number` among them. What it takes to tell whether a request is an instruction is read at once; its networks, and
torch with them, are opened at the first instruction, or ahead of it where that is wished for. A store without an agent never
imports torch.
"""

import logging
import math
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from segue import artifact
from segue.act.heard import Heard, Listener
from segue.act.worlds.furnished.home import drawn, entrance, thing_at
from segue.act.worlds.furnished.houses import FurnishedHouses, furnished, seed_and_number
from segue.act.worlds.walks import STOP, Houses, Walk
from segue.artifact import Artifact
from segue.errors import Corrupt, InvalidInput, SegueError
from segue.records import Hypothesis, Place, Request, Step, Walked
from segue.store import Store

if TYPE_CHECKING:
    from segue.act.agent import Agent

logger = logging.getLogger(__name__)

PART = "acting-"
KIND = "agent"
_TRAIN = "let one act: segue publish agent --model DIR --place HOUSE --domain NAME --store DIR"
INTENT = "go"
"""What a reader of an acting domain calls an instruction to walk."""
LEAST = 0.6
"""A request that is less likely an instruction than this is none; from here on no other domain is close to it."""
HORIZON = 15
"""Steps after which a walk is broken off."""


class Acting:
    """One agent in its house. It carries out one instruction at a time."""

    def __init__(self, domain: str, part: Artifact) -> None:
        """Raises `Corrupt` where the artifact does not name a house."""
        self.domain, self.part = domain, part
        self.house = house_of(part)
        self._houses = _built(self.house)
        (self._plan,) = self._houses.plans
        self._start, self._heading = entrance(self._houses, 0)
        self._listener = Listener(part.meta["words"], self._plan)
        self._agent: Agent | None = None
        self._opening, self._walking = threading.Lock(), threading.Lock()

    def hear(self, text: str) -> Heard:
        """How far a request sounds like an instruction."""
        return self._listener.hear(text)

    def open(self) -> "Agent":
        """The networks: some seconds at the first time, when torch has to be imported. Raises what `artifact.open` does."""
        from segue.act.agent import load  # noqa: PLC0415  it brings torch

        with self._opening:
            if self._agent is None:
                self._agent = load(self.part.folder, names=self._houses.graphs.names)
            return self._agent

    def walk(self, instruction: str) -> Walked:
        """Carry out an instruction, from where one comes in. The same instruction is always the same walk."""
        agent, graphs = self.open(), self._houses.graphs
        world = Houses(graphs, horizon=HORIZON)
        task = Walk(instruction, self._start, self._heading, (self._start,))
        with self._walking:
            episodes, found = agent.carry_out(world, task)
        stopped = bool(episodes.ended[0])
        numbers = world.places[0, : len(episodes.actions) + (not stopped)].tolist()
        curve = agent.meta["held out"]["reward"]
        return Walked(
            agent=self.part.folder.name,
            house=self.house,
            places=self._places(numbers),
            steps=tuple(
                Step("stop" if action == STOP else "walk", round(chance, 6), round(reward, 6))
                for action, chance, reward in zip(
                    episodes.actions.tolist(), found.probabilities.tolist(), found.rewards.tolist(), strict=True
                )
            ),
            stopped=stopped,
            near=thing_at(self._houses, numbers[-1], self.hear(instruction).slots.get("thing", "")),
            likely=round(1 / (1 + math.exp(-curve["slope"] * float(found.scores[0]) - curve["offset"])), 6),
            plan=drawn(self._plan),
        )

    def _places(self, numbers: Sequence[int]) -> tuple[Place, ...]:
        graphs, heading, found = self._houses.graphs, self._heading, []
        for at, number in enumerate(numbers):
            room = self._houses.room(number)
            x, y, _ = graphs.positions[number].tolist()
            if at:
                east, north, _ = (graphs.positions[number] - graphs.positions[numbers[at - 1]]).tolist()
                heading = math.atan2(east, north)
            found.append(
                Place(
                    graphs.places[number],
                    room.kind,
                    room.floor,
                    round(x, 3),
                    round(y, 3),
                    round(math.degrees(heading) % 360, 1),
                )
            )
        return tuple(found)


@dataclass(frozen=True, slots=True)
class Instruction:
    """A request that is an instruction: who carries it out, and the hypothesis that says so."""

    acting: Acting
    hypothesis: Hypothesis
    about: Mapping[str, Any]


class LiveAgents:
    """Reads what is live, and takes up what goes live later. An agent that cannot be used is said so in the log, once, and does
    not act: `refused` has the reason by domain."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._live: Mapping[str, Path] = {}
        self._acting: dict[str, Acting] = {}
        self.refused: dict[str, str] = {}
        self._ahead = False
        self.refresh()

    @property
    def domains(self) -> tuple[str, ...]:
        """Those that have an agent, in alphabetical order."""
        return tuple(self._acting)

    def refresh(self) -> bool:
        """Take up what went live, in this process or another; whether anything changed."""
        try:
            live = self._store.live_parts(PART)
        except SegueError as error:
            logger.warning("the live agents stay as they are: %s", error)
            return False
        if live == self._live:
            return False
        known = {one.part.folder: one for one in self._acting.values()}
        acting, refused = dict[str, Acting](), dict[str, str]()
        for part, folder in live.items():
            domain = part.removeprefix(PART)
            try:
                acting[domain] = known.get(folder) or Acting(domain, artifact.open(folder, kind=KIND))
            except SegueError as error:
                refused[domain] = _refusal(domain, error)
        # Replaced, never changed: a request that is under way keeps what it has.
        self._live, self._acting, self.refused = live, acting, refused
        if self._ahead:
            self.open_ahead()
        return True

    def open_ahead(self) -> None:
        """Open, beside everything else, what is live now and what goes live later, so that no instruction waits for it."""
        self._ahead = True
        for one in self._acting.values():
            threading.Thread(target=self._open_quietly, args=(one,), daemon=True).start()

    def instruction(self, request: Request) -> Instruction | None:
        """Who is to carry out a request, if it is an instruction: by its words, or because it names the domain. Raises `Corrupt`
        for a named domain whose agent cannot be used."""
        if request.domain is not None and request.domain in self.refused:
            raise Corrupt(
                f"Nobody can act in {request.domain!r}: {self.refused[request.domain]}",
                fix="train and publish its agent anew",
            )
        heard = {name: one.hear(request.text) for name, one in self._acting.items() if request.domain in (None, name)}
        best = max(heard, key=lambda name: heard[name].confidence, default=None)
        if best is None or (request.domain is None and heard[best].confidence < LEAST):
            return None
        return self._meant(best, heard[best], 1.0 if request.domain else heard[best].confidence)

    def read(self, request: Request, best: Hypothesis) -> Instruction | None:
        """The same for a request of which a reader has said what it means: to go, in a domain where an agent acts."""
        if best.domain not in self._acting or best.intent != INTENT or best.confidence < LEAST:
            return None
        return self._meant(best.domain, self._acting[best.domain].hear(request.text), best.confidence)

    def walk(self, instruction: Instruction, text: str) -> Walked | None:
        """What the agent does; None where it cannot be used after all, which is said in the log."""
        try:
            return instruction.acting.walk(text)
        except SegueError as error:
            self._refuse(instruction.acting.domain, error)
            return None

    def _meant(self, domain: str, heard: Heard, confidence: float) -> Instruction:
        about = {
            "by": "instruction",
            "words known": round(heard.known, 6),
            "agent": self._acting[domain].part.folder.name,
        }
        return Instruction(self._acting[domain], Hypothesis(domain, INTENT, heard.slots, confidence), about)

    def _open_quietly(self, one: Acting) -> None:
        try:
            one.open()
        except SegueError as error:
            self._refuse(one.domain, error)

    def _refuse(self, domain: str, error: SegueError) -> None:
        self._acting = {name: one for name, one in self._acting.items() if name != domain}
        self.refused = {**self.refused, domain: _refusal(domain, error)}


def publish(store: Store, agent: Path, *, domain: str, house: str | None = None) -> str:
    """Let an agent act in a domain of the store from now on: in a generated `house`, such as house-5-0 (the first of seed 5), or
    in the one that it was trained to act in. Returns the artifact's name; an engine that is running takes it up.

    Raises what `artifact.open` raises, `Corrupt` for an agent that names no house where none is given, and `InvalidInput` for
    something that is not a house, an agent of another kind of world, and a domain that holds a catalogue or cannot be named so.
    """
    store.domain(domain)
    if domain in store.domains():
        raise InvalidInput(
            f"{domain!r} is searched in this store.", expected="a domain without a catalogue", fix="choose another name"
        )
    part = artifact.open(agent, kind=KIND)
    if house is None:
        return _live(store, part, domain)
    with TemporaryDirectory() as folder:
        return _live(store, _moved_in(part, house, Path(folder) / KIND), domain)


def _live(store: Store, part: Artifact, domain: str) -> str:
    house_of(part)
    name = f"{KIND}-{part.hash[:16]}"
    artifact.adopt({".": (part.folder, KIND)}, store.artifacts / name)
    store.go_live(f"{PART}{domain}", store.artifacts / name)
    return name


def _moved_in(part: Artifact, house: str, folder: Path) -> Artifact:
    """The same agent, which acts in that house; written to the folder."""
    seed, number = seed_and_number(house)
    if part.meta["sees"]["kind"] != "houses":
        raise InvalidInput(
            f"The agent in {part.folder} does not walk in houses.",
            expected="one that was trained by segue train agent --world houses",
        )
    trained = part.meta["trained"]
    world = {**trained.get("world", {}), "house": {"seed": seed, "number": number}}
    meta = {**part.meta, "trained": {**trained, "world": world}}
    return artifact.write(folder, kind=KIND, name=part.name, tensors=part.tensors(), meta=meta, parent=part.hash)


def retire(store: Store, domain: str) -> Path:
    """Let the domain's agent act no more; it stays where it is. Returns its folder. Raises `NotFound` where none acts."""
    return store.retire_domain(PART, domain, what="agent", train=_TRAIN)


def restore(store: Store, domain: str) -> Path:
    """Let the agent act again that was retired. Returns its folder. Raises `NotFound` where none was."""
    return store.restore_domain(PART, domain, what="agent", train=_TRAIN)


def house_of(part: Artifact) -> dict[str, int]:
    """The house that an agent walks in. Raises `Corrupt` where its meta names none."""
    match part.meta:
        case {"words": list(), "trained": {"world": {"house": {"seed": int(seed), "number": int(number)}}}} if (
            number >= 0
        ):
            return {"seed": seed, "number": number}
    raise Corrupt(
        f"The agent in {part.folder} does not say in which house it walks.",
        expected='in its meta {"world": {"house": {"seed": 5, "number": 0}}}',
        fix="name one: segue publish agent --place house-5-0",
    )


def plan_of(house: Mapping[str, int]) -> dict[str, Any]:
    """Rooms, doors and things of a house, to draw it."""
    return drawn(_built(house).plans[0])


def _built(house: Mapping[str, int]) -> FurnishedHouses:
    """That house alone."""
    return furnished(1, first=house["number"], seed=house["seed"])


def _refusal(domain: str, error: SegueError) -> str:
    logger.warning("the agent of %s is not used: %s", domain, error)
    return str(error)
