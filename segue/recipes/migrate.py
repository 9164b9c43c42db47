"""Carry a trained encoder past the end of its position table: a model's folder → another that reads longer texts."""

import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from segue.encode.continuation import FOLDER, Continuation, flow_of, keep, table_of
from segue.encode.lengthening import Lesson, learn, lengthened
from segue.encode.positions.effects import span
from segue.encode.positions.floater import FloaterPositions
from segue.encode.pretrained import TorchEncoder, load
from segue.encode.transformer import Transformer
from segue.errors import InvalidInput, NotFound
from segue.recipes.new_folder import new_folder, refuse_existing
from segue.recipes.pictures import draw_positions
from segue.retrieve.catalogue.tables import rows

PARTS = ("queries", "keys", "values")
_TRIED = 32
"""Texts on which the model and the migrated one are compared."""


def migrate(
    model: Path,
    out: Path,
    *,
    how: Continuation | None = None,
    texts: Path | None = None,
    column: str = "text",
    lesson: Lesson | None = None,
    progress: Callable[[str, int], None] = lambda step, done: None,
) -> dict[str, Any]:
    """Migrate the BERT-like `model` to a new folder `out`: all its files as they are, and the continuation beside them.

    Unless `how` says otherwise, the rows of the table that are repeated are as many as the model was tuned to read.
    `texts` are what the flow learns from, see `texts_of`; without any it stays at rest. `out` is there as a whole or not at all.
    Raises `InvalidInput` where `out` exists or the model has been migrated already, `NotFound` and `Corrupt` for bad folders.
    """
    started = time.monotonic()
    how, lesson = how or Continuation(), lesson or Lesson()
    refuse_existing(out)
    if (model / FOLDER).exists():
        raise InvalidInput(f"{model} has been migrated already.", fix="migrate the model that it was made from")
    before = load(model)
    after, how = lengthened(before, how, seed=lesson.seed)
    transformer = after.transformer
    learned: dict[str, Any] | None = None
    if texts is not None:
        first, last = learn(after, texts_of(texts, column), lesson, progress=progress)
        learned = {"lesson": asdict(lesson), "before": asdict(first), "after": asdict(last), "kept": first != last}
    with new_folder(out) as part:
        shutil.copytree(model, part)
        keep(part / FOLDER, flow_of(transformer), how, source=before.fingerprint, about={"learned": learned})
        difference = _difference(before, load(part))
    return {
        "model": str(model),
        "out": str(out),
        "positions": "floater",
        "table": table_of(before.transformer),
        "longest": how.longest,
        "read before": before.tokenizer.longest,
        "repeats": how.repeats,
        "parameters": {
            "model": sum(one.numel() for one in before.transformer.parameters()),
            "flow": sum(one.numel() for one in flow_of(transformer).parameters()),
        },
        "largest difference": difference,
        "furthest bias": _furthest(transformer, how.longest),
        "learned": learned,
        "seconds": round(time.monotonic() - started, 1),
    }


def as_text(result: Mapping[str, Any]) -> str:
    """The report for people."""
    difference, parameters, learned = (result[key] for key in ("largest difference", "parameters", "learned"))
    lines = [
        f"{result['out']}: reads {result['longest']:,} tokens; {result['model']} reads {result['read before']:,} of "
        f"{result['table']:,} places",
        f"  inside the table: largest difference {difference:g} over {_TRIED} texts"
        + (" (none)" if not difference else ""),
        f"  beyond: a flow of {parameters['flow']:,} parameters, {parameters['flow'] / parameters['model']:.1%} more",
    ]
    if learned is None:
        rest = f"  the flow is at rest, the table's first {result['repeats']:,} rows begin anew; it learns from --texts"
        return "\n".join([*lines, rest])
    lines.append(f"  learned {learned['lesson']['steps']:,} steps")
    if not learned["kept"]:
        return "\n".join(
            [*lines, "  it came no nearer to what it should, so the flow is at rest again; give it more texts or steps"]
        )
    before, after = (learned[when]["cosine"] for when in ("before", "after"))
    lines.append(
        f"  {learned['after']['passages']} passages that it had not read came nearer to what they should be: cosine "
        f"{before:.3f} → {after:.3f}"
    )
    furthest = ", ".join(f"{value:g} at {int(place):,}" for place, value in result["furthest bias"].items())
    return "\n".join([*lines, f"  biases have moved by at most {furthest}"])


def texts_of(source: Path, column: str) -> Iterator[str]:
    """The texts of a `.txt` file (one), of a folder's `.txt` files (one each), or of a table's `column`."""
    if source.is_dir():
        files = sorted(source.glob("*.txt"))
        if not files:
            raise NotFound(f"There is no .txt file in {source}.", fix="pass a folder of texts, or a table")
        yield from (file.read_text(encoding="utf-8") for file in files)
    elif source.suffix == ".txt" and source.exists():
        yield source.read_text(encoding="utf-8")
    else:
        found = [row.values for row in rows(source) if row.values is not None]
        if found and column not in found[0]:
            raise InvalidInput(
                f"{source} has no column {column!r}.", expected=f"one of: {', '.join(found[0])}", fix="pass --column"
            )
        yield from (str(values[column]) for values in found if values.get(column))


@torch.no_grad()
def _difference(before: TorchEncoder, after: TorchEncoder) -> float:
    """The largest difference of any number in any token's state, on made-up texts of 2 tokens to the whole table."""
    draw = torch.Generator().manual_seed(0)
    table = table_of(before.transformer)
    largest = 0.0
    for length in torch.linspace(2, table, _TRIED).long().tolist():
        ids = torch.randint(0, before.transformer.shape.vocabulary, (1, length), generator=draw)
        for one, other in zip(before.transformer.states(ids), after.transformer.states(ids), strict=True):
            largest = max(largest, float((one - other).abs().max()))
    return largest


@torch.no_grad()
def draw(model: Path, file: Path, *, longest: int | None = None) -> None:
    """What the migrated `model` knows of places, as PNG: what is added to the words, and how far the biases of queries, keys and
    values of its first and last block have moved."""
    encoder = load(model)
    transformer, longest = encoder.transformer, longest or encoder.tokenizer.longest
    own = transformer.own_biases()
    effects = transformer.positions.at(span(0, longest, own), lambda: own)
    features = {} if effects.added is None else {"added to the words": effects.added.numpy()}
    for block in dict.fromkeys((0, len(own) - 1)):
        if effects.biases is not None:
            moved = effects.biases[block].view(longest, 3, -1).numpy()
            features |= {f"bias of {part}, block {block + 1}": moved[:, place] for place, part in enumerate(PARTS)}
    draw_positions(features, table_of(transformer), file)


@torch.no_grad()
def _furthest(transformer: Transformer, longest: int) -> dict[str, float]:
    """How far biases have moved at most, by the place: at a few, as far as the longest text."""
    positions = transformer.positions
    assert isinstance(positions, FloaterPositions)
    moved = positions.dynamics.offsets(longest - positions.since, transformer.own_biases()).abs().amax(dim=(0, 2))
    places = torch.linspace(positions.since, longest - 1, 5).long().tolist()
    return {str(place + 1): round(float(moved[place - positions.since]), 4) for place in places}
