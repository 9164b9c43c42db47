"""What replacing a store's encoder changes and costs, before anything is done."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from segue.encode.encoder import Encoder
from segue.encode.quantised import OnnxEncoder
from segue.engine import Engine
from segue.errors import InvalidInput
from segue.live_encoder import UPGRADE
from segue.recipes.upgrade.candidates import adopt_encoder
from segue.recipes.upgrade.going_live import status
from segue.retrieve.catalogue.vectors import row_type
from segue.store import Store

_TRIED = 200
"""Items that are embedded to see how fast that goes."""

_REQUESTS = 50


def plan(
    store: Path,
    model: Path,
    *,
    share: float = 0.1,
    price: float | None = None,
    per_second: float | None = None,
    seed: int = 0,
) -> dict[str, Any]:
    """Plain data: what is there, how many items the bridge and the backfill embed, how long that takes on this machine (or at
    `per_second` items), what it costs at `price` an hour, the bytes on disk, and the milliseconds that encoding a request takes
    by the old, the new and both encoders. The model is brought into the store; nothing else changes."""
    if not 0 < share <= 1:
        raise InvalidInput(f"The share is {share}.", expected="above 0, and 1 at most")
    opened = Store.open(store, create=False)
    folder = adopt_encoder(opened, model)
    with Engine.open(store, create=False, threads=2) as engine:
        if not engine.domains.names():
            raise InvalidInput(
                "The store holds no items.", fix="index something: segue index FILE --domain NAME --store DIR"
            )
        old, new = engine.encoder, OnnxEncoder.open(folder, threads=2)
        domains = {}
        for name in engine.domains.names():
            catalogue = engine.domains.get(name)
            items = len(catalogue.snapshot)
            done = items - len(catalogue.missing(new))
            domains[name] = {"items": items, "embedded": done, "calibration": round(share * items)}
        texts, titles = _sample(engine, seed)
        speed = _speed(new, texts)
        now = status(engine)["encoder"]
        requests = {
            "old": _milliseconds(old, titles),
            "new": _milliseconds(OnnxEncoder.open(folder), titles),
        }
    left = sum(one["items"] - one["embedded"] for one in domains.values())
    rate = speed if per_second is None else min(speed, per_second)
    hours = left / rate / 3600
    return {
        "encoder": {"now": now, "dimensions": old.dimensions},
        "model": {"encoder": folder.name, "dimensions": new.dimensions, "the same": now == folder.name},
        "under way": None if (live := opened.live(UPGRADE)) is None else live.name,
        "domains": domains,
        "items left": left,
        "calibration": {
            "items": sum(one["calibration"] for one in domains.values()),
            "hours": sum(max(0, one["calibration"] - one["embedded"]) for one in domains.values()) / speed / 3600,
        },
        "backfill": {"items a second": rate, "hours": hours, "money": None if price is None else price * hours},
        "bytes": sum(one["items"] for one in domains.values()) * (2 * row_type(new.dimensions).itemsize + 1),
        "milliseconds a request": {**requests, "both": requests["old"] + requests["new"]},
    }


def _sample(engine: Engine, seed: int) -> tuple[list[str], list[str]]:
    """What is embedded of some items, and some titles."""
    random = np.random.default_rng(seed)
    texts, titles = list[str](), list[str]()
    for name in engine.domains.names():
        catalogue = engine.domains.get(name)
        some = random.choice(catalogue.snapshot.numbers, min(_TRIED, len(catalogue.snapshot)), replace=False).tolist()
        texts += catalogue.texts(some).values()
        titles += [document.title for document in catalogue.snapshot.documents(some).values()]
    return texts[:_TRIED] if len(engine.domains.names()) == 1 else random.permutation(texts)[:_TRIED].tolist(), titles


def _speed(encoder: Encoder, texts: list[str]) -> float:
    """Items a second; the graph is warm."""
    encoder.encode(texts[:8])
    started = time.perf_counter()
    encoder.encode(texts)
    return len(texts) / (time.perf_counter() - started)


def _milliseconds(encoder: Encoder, titles: list[str]) -> float:
    encoder.encode(titles[:1])
    spent = []
    for title in titles[:_REQUESTS]:
        started = time.perf_counter()
        encoder.encode([title])
        spent.append(1000 * (time.perf_counter() - started))
    return float(np.median(spent))


def as_text(result: Mapping[str, Any]) -> str:
    """The plan for people."""
    backfill, calibration, requests = result["backfill"], result["calibration"], result["milliseconds a request"]
    lines = [
        f"now {result['encoder']['now']} ({result['encoder']['dimensions']} dimensions); "
        f"planned {result['model']['encoder']} ({result['model']['dimensions']})"
    ]
    if result["model"]["the same"]:
        return "\n".join([*lines, "they are the same: there is nothing to do"])
    for name, one in result["domains"].items():
        lines.append(f"  {name}: {one['items']:,} items, {one['embedded']:,} of them embedded by the new one already")
    money = "" if backfill["money"] is None else f", {backfill['money']:,.2f} at the given price an hour"
    lines += [
        f"the bridge: {calibration['items']:,} items embedded, {_time(calibration['hours'])}; then the new one answers at once",
        f"the backfill: {result['items left']:,} items at {backfill['items a second']:,.0f} a second: "
        f"{_time(backfill['hours'])}{money}",
        f"disk: {result['bytes'] / 1e6:,.1f} MB beside what is there; nothing that is there changes, and nothing is re-indexed",
        f"a request: {requests['old']:.1f} ms to encode now, {requests['both']:.1f} ms while both answer, "
        f"{requests['new']:.1f} ms by the new one alone",
    ]
    return "\n".join(lines)


def _time(hours: float) -> str:
    seconds = 3600 * hours
    return f"{seconds:,.0f} s" if seconds < 120 else f"{seconds / 60:,.0f} min" if seconds < 7200 else f"{hours:,.1f} h"
