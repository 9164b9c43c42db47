"""An upgrade on a live store: let a candidate take over, embed the items anew behind it, finish, go back; and how far it is.

Taking over, finishing and going back each replace one small file. Servers that are running notice by themselves.
"""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np

from segue import artifact
from segue.encode.bridged import KIND as BRIDGE
from segue.encode.bridged import BridgedEncoder, encoder_of
from segue.encode.encoder import Encoder
from segue.encode.quantised import OnnxEncoder
from segue.engine import Engine
from segue.errors import InvalidInput, NotFound
from segue.live_encoder import ENCODER, UPGRADE
from segue.recipes.upgrade.bridge import most_used
from segue.recipes.upgrade.candidates import adopt_bridge, not_taking_over, open_bridge, tidied
from segue.recipes.upgrade.embedding import embed
from segue.recipes.upgrade.judge import judge
from segue.recipes.upgrade.report import said_of
from segue.records import Numbers
from segue.retrieve.catalogue import Catalogue
from segue.store import Store

Order = Literal["used", "uncertain", "random"]
Progress = Callable[[str, int], None]

_CHUNK = 2_000


def go_live(store: Path, candidate: Path, *, anyway: bool = False) -> None:
    """Let a bridge's new encoder answer beside the old one from now on. What it needs is made before, so that a server only
    opens it. Raises `InvalidInput` where the gate did not let it pass, unless `anyway`, or while another upgrade is under
    way."""
    opened = Store.open(store, create=False)
    not_taking_over(opened)
    part = adopt_bridge(opened, candidate)
    report = said_of(opened, part.folder.name)
    if not anyway and (report is None or not report["passed"]):
        what = "was not asked about it" if report is None else "refused it"
        raise InvalidInput(
            f"The gate {what}.",
            expected="a candidate that passed",
            fix=f"segue upgrade gate --store {store} --candidate {part.folder.name}; or pass --anyway",
        )
    old = OnnxEncoder.open(opened.encoder(), threads=2)
    coming = open_bridge(part, old)
    _prepared(opened, coming)
    opened.go_live(UPGRADE, part.folder)
    tidied(opened, coming)


def backfill(
    store: Path,
    *,
    order: Order = "used",
    per_second: float | None = None,
    most: int | None = None,
    seed: int = 0,
    progress: Progress = lambda step, done: None,
) -> None:
    """Embed by the new encoder what it has not embedded yet, `per_second` items at most, and `most` in all.

    "used" begins with what people took most and what is popular, "uncertain" with what is least like anything that is embedded
    already, "random" anywhere. Each batch is on disk before the next begins: stopped at any moment, the same command goes on.
    Indexing goes on beside it. Raises `InvalidInput` where no upgrade is under way.
    """
    opened = Store.open(store, create=False)
    encoder = _taking_over(opened)
    left = most if most is not None else 2**62
    with Engine.open(store, create=False, encoder=encoder) as engine:
        for name in engine.domains.names():
            catalogue = engine.domains.get(name)
            todo = _ordered(engine, name, catalogue.missing(encoder.new), order, seed)[:left]
            left -= len(todo)
            embed(catalogue, todo, encoder.new, per_second=per_second, progress=partial(progress, name))


def finish(
    store: Path,
    *,
    judgements: Path | None = None,
    budget: float = 0.015,
    anyway: bool = False,
    progress: Progress = lambda step, done: None,
) -> None:
    """Let the new encoder answer alone, once it has embedded every item and the gate lets that pass. The old vectors stay where
    they are: `rollback` goes back to them. Raises `InvalidInput` where items are left, or the gate refuses and not `anyway`."""
    opened = Store.open(store, create=False)
    encoder = _taking_over(opened)
    if left := sum(one["items"] - one["embedded"] for one in status_of(store)["domains"]):
        raise InvalidInput(
            f"{left:,} items have no vector of the new encoder yet.",
            expected="none",
            fix=f"segue upgrade backfill --store {store}",
        )
    bridge = opened.live(UPGRADE)
    assert bridge is not None
    coming = encoder_of(artifact.open(bridge, kind=BRIDGE))
    if not anyway:
        report = judge(store, coming, judgements=judgements, budget=budget, progress=progress)
        if not report["passed"]:
            refused = next(one for one in report["verdicts"].values() if not one["passed"])
            raise InvalidInput(
                f"Alone, the new encoder would lose too much: {refused['reason']}.",
                expected="what the gate lets pass",
                fix="stay with both, which costs a second encoding a request; or pass --anyway",
            )
    _prepared(opened, encoder.new)
    opened.supersede(ENCODER, coming, ends=UPGRADE)
    tidied(opened, encoder.new, encoder.old)


def rollback(store: Path) -> None:
    """Go back one step: to the old encoder alone while another is taking over, or to the one before when that was finished.
    Nothing that was embedded is lost. Raises `NotFound` where there is nothing to go back to."""
    opened = Store.open(store, create=False)
    if opened.live(UPGRADE) is not None:
        opened.retire(UPGRADE)
        return
    before = opened.retired_parts(ENCODER).get(ENCODER)
    if before is None:
        raise NotFound("There is no upgrade to undo.", expected="one that is live, or was finished")
    _prepared(opened, OnnxEncoder.open(before, threads=2))  # embeds what was indexed since
    opened.restore(ENCODER)


def status_of(store: Path) -> dict[str, Any]:
    """`status` of a store that is not open."""
    with Engine.open(store, create=False) as engine:
        return status(engine)


def status(engine: Engine) -> dict[str, Any]:
    """What encodes, what is to take over and how far it is, and what the gate said of every candidate. Plain data."""
    store = engine.store
    live, encoder, before = store.live(UPGRADE), store.live(ENCODER), store.retired_parts(ENCODER).get(ENCODER)
    candidates = [_described(store, folder, live) for folder in store.artifacts.glob("bridge-*")]
    return {
        "encoder": None if encoder is None else encoder.name,
        "before": None if before is None else before.name,
        "upgrade": next((one for one in candidates if one["live"]), None),
        "domains": _embedded(engine),
        "candidates": sorted(candidates, key=lambda one: one["created"]),
    }


def _embedded(engine: Engine) -> list[dict[str, Any]]:
    """How far the new encoder is; nothing where none is taking over."""
    encoder = engine.encoder
    if not isinstance(encoder, BridgedEncoder):
        return []
    found = []
    for name in engine.domains.names():
        catalogue = engine.domains.get(name)
        items = len(catalogue.snapshot)
        found.append({"domain": name, "items": items, "embedded": items - len(catalogue.missing(encoder.new))})
    return found


def _described(store: Store, folder: Path, live: Path | None) -> dict[str, Any]:
    part = artifact.open(folder, kind=BRIDGE)
    report = said_of(store, folder.name)
    return {
        "name": folder.name,
        "encoder": part.meta["encoder"],
        "before": part.meta["old"],
        "created": part.created,
        "weight": part.meta["weight"],
        "real": part.meta["real"],
        "how": part.meta["about"]["how"],
        "calibrated": part.meta["about"]["calibrated"],
        "live": live is not None and live.name == folder.name,
        "gate": report,
    }


def _taking_over(store: Store) -> BridgedEncoder:
    live = store.live(UPGRADE)
    if live is None:
        raise InvalidInput(
            "No upgrade is under way.",
            expected="a candidate that went live",
            fix="segue upgrade live --store DIR --candidate NAME",
        )
    return open_bridge(artifact.open(live, kind=BRIDGE), OnnxEncoder.open(store.encoder(), threads=2))


def _prepared(store: Store, encoder: Encoder) -> None:
    """Make what every domain needs to be searched by an encoder, before it is."""
    for name in store.domains():
        Catalogue(name, store.domain(name), encoder).close()


def _ordered(engine: Engine, domain: str, numbers: Numbers, order: Order, seed: int) -> Numbers:
    if order == "used":
        return most_used(engine, domain, numbers, seed)
    if order == "random":
        return np.random.default_rng((seed, 8)).permutation(numbers)
    snapshot = engine.domains.get(domain).snapshot
    done = np.setdiff1d(snapshot.numbers, numbers)
    if not len(done):
        return numbers
    known = snapshot.vectors.of(np.random.default_rng((seed, 8)).permutation(done)[:_CHUNK])
    near = [
        (snapshot.vectors.of(numbers[start : start + _CHUNK]) @ known.T).max(axis=1)
        for start in range(0, len(numbers), _CHUNK)
    ]
    return numbers[np.argsort(np.concatenate(near), kind="stable")] if near else numbers


def as_text(found: Mapping[str, Any]) -> str:
    """The status for people."""
    lines = [
        f"encoder: {found['encoder'] or 'none yet'}" + (f" (before: {found['before']})" if found["before"] else "")
    ]
    if found["upgrade"] is None:
        lines.append("no upgrade is under way")
    else:
        one = found["upgrade"]
        counts = f"weight {one['weight']:g}, where items are embedded anew {one['real']:g}"
        lines.append(f"taking over: {one['encoder']} by {one['name']} ({one['how']}, {counts})")
        for domain in found["domains"]:
            share = domain["embedded"] / domain["items"] if domain["items"] else 1.0
            lines.append(
                f"  {domain['domain']}: {domain['embedded']:,} of {domain['items']:,} embedded anew ({share:.1%})"
            )
    for one in found["candidates"]:
        said = "not judged" if one["gate"] is None else "passed" if one["gate"]["passed"] else "refused"
        lines.append(
            f"candidate {one['name']}: to {one['encoder']} by {one['how']}, {said}" + (", live" if one["live"] else "")
        )
    return "\n".join(lines)
