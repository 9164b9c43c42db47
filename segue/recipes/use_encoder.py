"""Let another encoder embed what a store holds."""

import shutil
import uuid
from pathlib import Path

from segue import artifact
from segue.encode.quantised import KIND
from segue.errors import NotFound
from segue.store import Store, make_encoder


def use_encoder(store: Store, model: Path) -> Path:
    """From the next opening of `store` on, `model` encodes: an encoder's artifact, or a BERT-like folder such as `segue migrate`
    writes, of which one is made. Every domain is embedded anew when it is opened next; the same model again changes nothing.

    Returns the artifact, which is the store's own. Raises `NotFound`, `InvalidInput`, `Corrupt` or `Unavailable` for what
    is no encoder.
    """
    if not model.is_dir():
        raise NotFound(f"There is no model in {model}.", expected="a folder with a model", fix="check the path")
    store.artifacts.mkdir(parents=True, exist_ok=True)
    made = store.artifacts / f".encoder-{uuid.uuid4().hex}"
    try:
        if (model / artifact.MANIFEST).exists():
            shutil.copytree(model, made)
        else:
            make_encoder(made, "--model", str(model))
        folder = store.artifacts / f"encoder-{artifact.open(made, kind=KIND).hash[:16]}"
        if not folder.exists():
            made.rename(folder)
    finally:
        shutil.rmtree(made, ignore_errors=True)
    if store.live("encoder") != folder:
        store.go_live("encoder", folder)
    return folder
