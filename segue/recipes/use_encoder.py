"""Let another encoder embed what a store holds."""

from pathlib import Path
from tempfile import TemporaryDirectory

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
    with TemporaryDirectory() as work:
        made = model
        if not (model / artifact.MANIFEST).exists():
            made = Path(work) / "encoder"
            make_encoder(made, "--model", str(model))
        folder = store.artifacts / f"encoder-{artifact.open(made, kind=KIND).hash[:16]}"
        artifact.adopt({".": (made, KIND)}, folder)
    if store.live("encoder") != folder:
        store.go_live("encoder", folder)
    return folder
