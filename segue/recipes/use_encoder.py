"""Let another encoder embed what a store holds: all at once, with no map and no gate (`segue upgrade` has both)."""

from collections.abc import Callable
from pathlib import Path

from segue.encode.quantised import OnnxEncoder
from segue.engine import Engine
from segue.live_encoder import ENCODER
from segue.recipes.upgrade.candidates import adopt_encoder, not_taking_over
from segue.retrieve.catalogue.mixed import tidy
from segue.store import Store

_BATCH = 1000


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
            numbers = catalogue.snapshot.numbers
            missing = numbers[~catalogue.incoming(new, whole=whole).among(numbers)]
            for start in range(0, len(missing), _BATCH):
                catalogue.embed_anew(missing[start : start + _BATCH].tolist(), new, whole=whole)
                progress("embedding", len(missing[start : start + _BATCH]))
        old = engine.encoder
    store.supersede(ENCODER, folder)
    for name in store.domains():
        tidy(store.domain(name), new, old)
    return folder
