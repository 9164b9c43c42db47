"""Commands on encoders: migrate."""

from pathlib import Path

import click

from segue.cli.common import json_option, print_json
from segue.encode.continuation import Continuation
from segue.encode.lengthening import Lesson
from segue.recipes.migrate import as_text, draw
from segue.recipes.migrate import migrate as carry
from segue.recipes.progress import Steps


@click.command()
@click.argument("model_dir", type=click.Path(path_type=Path))
@click.option(
    "--positions",
    type=click.Choice(["floater"]),
    required=True,
    help="What tells places apart beyond the model's table: a learned differential equation.",
)
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder for the migrated model; a new one.")
@click.option(
    "--texts",
    type=click.Path(path_type=Path),
    help="Texts to learn from, of the kind to be embedded: a .txt file, a folder of them, or a table.  [default: none]",
)
@click.option("--column", default="text", show_default=True, help="The table's column with the texts.")
@click.option(
    "--longest",
    type=click.IntRange(min=3),
    default=Continuation().longest,
    show_default=True,
    help="Longest text, in tokens; what is longer is cut there.",
)
@click.option("--steps", type=click.IntRange(min=1), default=Lesson().steps, show_default=True, help="To learn for.")
@click.option("--seed", default=0, show_default=True, help="Same texts and seed: same model.")
@click.option(
    "--picture",
    type=click.Path(path_type=Path),
    help="Draw what the migrated model knows of places into this PNG file.",
)
@json_option
def migrate(
    model_dir: Path,
    positions: str,
    out: Path,
    texts: Path | None,
    column: str,
    longest: int,
    steps: int,
    seed: int,
    picture: Path | None,
    as_json: bool,
) -> None:
    """Let a trained BERT-like encoder read past the end of its position table.

    MODEL_DIR is a Hugging Face folder: config.json, model.safetensors, tokenizer.json. Inside its table the migrated model is
    what it was, to the last bit; beyond, the rows that it was tuned to read begin anew and a flow moves the biases of every
    block, once it has learned from texts how whole passages should be read: as it reads them at rest and in short parts, in the
    mean. All files are copied as they are, so the folder opens in transformers and sentence-transformers as before, and to its
    whole length through segue.encode.adapter.

    \b
    segue migrate all-MiniLM-L6-v2 --positions floater --out minilm-long
    segue migrate all-MiniLM-L6-v2 --positions floater --out minilm-long --texts meetings/
    segue index reports.csv --domain reports --store store --encoder minilm-long --whole
    """
    how, lesson = Continuation(longest=longest), Lesson(steps=steps, seed=seed)
    with Steps(unit=" steps", total=steps, quiet=as_json) as progress:
        result = carry(model_dir, out, how=how, texts=texts, column=column, lesson=lesson, progress=progress)
    print_json(result) if as_json else click.echo(as_text(result))
    if picture is not None:
        draw(out, picture)
