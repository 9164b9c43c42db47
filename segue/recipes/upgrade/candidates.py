"""What may go live, brought into a store: an encoder, or a bridge to one."""

from pathlib import Path
from tempfile import TemporaryDirectory

from segue import artifact
from segue.artifact import Artifact
from segue.encode.bridged import KIND as BRIDGE
from segue.encode.bridged import BridgedEncoder, bridged, encoder_of
from segue.encode.encoder import Encoder
from segue.encode.quantised import KIND as ENCODER
from segue.encode.quantised import OnnxEncoder
from segue.errors import InvalidInput, NotFound
from segue.live_encoder import UPGRADE
from segue.retrieve.catalogue.mixed import tidy
from segue.store import Store, make_encoder


def adopt_encoder(store: Store, model: Path) -> Path:
    """`model`, an encoder's artifact or a BERT-like folder such as `segue migrate` writes, as an artifact of the store: its
    folder. Raises `NotFound`, `InvalidInput`, `Corrupt` or `Unavailable` for what is no encoder."""
    if not model.is_dir():
        raise NotFound(f"There is no model in {model}.", expected="a folder with a model", fix="check the path")
    with TemporaryDirectory() as work:
        made = model
        if not (model / artifact.MANIFEST).exists():
            made = Path(work) / "encoder"
            make_encoder(made, "--model", str(model))
        folder = store.artifacts / f"encoder-{artifact.open(made, kind=ENCODER).hash[:16]}"
        artifact.adopt({".": (made, ENCODER)}, folder)
    return folder


def located(store: Store, candidate: Path) -> Path:
    """A candidate by its name in the store's artifacts, or else by its folder."""
    here = store.artifacts / candidate.name
    return here if here.exists() else candidate


def adopt_bridge(store: Store, candidate: Path) -> Artifact:
    """A bridge by its folder, or by its name in the store's artifacts. Raises what `artifact.open` raises."""
    here, folder = store.artifacts / candidate.name, located(store, candidate)
    if not folder.exists():
        known = ", ".join(path.name for path in sorted(store.artifacts.glob("bridge-*"))) or "none yet"
        raise NotFound(
            f"There is no candidate {str(candidate)!r}.",
            expected=f"a folder, or one of this store's: {known}",
            fix="make one: segue upgrade bridge --store DIR --model MODEL",
        )
    part = artifact.open(folder, kind=BRIDGE)
    if folder != here:
        coming = encoder_of(part)
        artifact.adopt({".": (coming, ENCODER)}, store.artifacts / coming.name)
        artifact.adopt({".": (folder, BRIDGE)}, here)
    return artifact.open(here, kind=BRIDGE)


def open_bridge(part: Artifact, old: Encoder, *, threads: int = 2) -> BridgedEncoder:
    """Both encoders of a bridge. Raises `InvalidInput` where it was not made from `old`."""
    return bridged(part, old, OnnxEncoder.open(encoder_of(part), threads=threads))


def tidied(store: Store, encoder: Encoder, *others: Encoder) -> None:
    """Keep in every domain the vectors of these encoders alone."""
    for name in store.domains():
        tidy(store.domain(name), encoder, *others)


def not_taking_over(store: Store) -> None:
    """Raises `InvalidInput` while an encoder takes over: one thing at a time."""
    if (live := store.live(UPGRADE)) is not None:
        raise InvalidInput(
            f"An upgrade is under way: {live.name}.",
            expected="a store with one encoder",
            fix="finish it, or undo it: segue upgrade finish, segue upgrade rollback",
        )
