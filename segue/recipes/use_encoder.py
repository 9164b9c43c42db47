"""Let another encoder embed what a store holds: all at once, with no map and no gate (`segue upgrade` has both)."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from segue.encode.quantised import OnnxEncoder
from segue.engine import Engine
from segue.live_encoder import ENCODER
from segue.recipes.upgrade.candidates import adopt_encoder, not_taking_over, tidied
from segue.recipes.upgrade.embedding import embed
from segue.store import Store


def use_encoder(
    store: Store,
    model: Path,
    *,
    whole: bool | None = None,
    progress: Callable[[str, int], None] = lambda step, done: None,
) -> Path:
    """Embed every item by `model`, an encoder's artifact or a BERT-like folder such as `segue migrate` writes, of which one is
    made; then that one is live. `whole` says how much of a text it reads, None as much as before. Until all is embedded the
    store answers as it did; stopped, the same call goes on. The same model again changes nothing.

    Returns the artifact, which is the store's own. Raises `NotFound`, `InvalidInput`, `Corrupt` or `Unavailable` for what
    is no encoder, and `InvalidInput` while an upgrade is under way.
    """
    not_taking_over(store)
    folder = adopt_encoder(store, model)
    if store.live(ENCODER) == folder:
        return folder
    if not store.domains():
        store.go_live(ENCODER, folder)
        return folder
    new = OnnxEncoder.open(folder, threads=2)
    with Engine.open(store.folder, threads=2) as engine:
        for name in engine.domains.names():
            catalogue = engine.domains.get(name)
            missing = catalogue.missing(new, whole=whole)
            embed(catalogue, missing, new, whole=whole, progress=partial(progress, "embedding"))
        old = engine.encoder
    store.supersede(ENCODER, folder)
    tidied(store, new, old)
    return folder
