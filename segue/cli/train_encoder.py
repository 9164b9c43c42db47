"""The command `upgrade train`."""

from pathlib import Path

import click

from segue.cli.common import json_option, print_json, store_option
from segue.evolve.query_lesson import Lesson
from segue.recipes.progress import Steps
from segue.recipes.train_encoder import as_text, train_encoder


@click.command()
@store_option
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder for the trained model; a new one.")
@click.option(
    "--model",
    type=click.Path(path_type=Path),
    help="A BERT-like folder to begin with, whose vectors are as wide as the store's.  [default: MiniLM]",
)
@click.option(
    "--judgements",
    type=click.Path(path_type=Path),
    help="TSV with query_id, query, doc_id, grade (header; .gz accepted).  [default: what people took, by the log]",
)
@click.option("--domain", help="Learn from this domain alone.  [default: all; judgements need one]")
@click.option("--steps", type=click.IntRange(min=1), default=Lesson().steps, show_default=True, help="To learn for.")
@click.option("--seed", default=0, show_default=True, help="Same log or judgements, same seed: same model.")
@json_option
def train(
    store: Path,
    out: Path,
    model: Path | None,
    judgements: Path | None,
    domain: str | None,
    steps: int,
    seed: int,
    as_json: bool,
) -> None:
    """Train an encoder whose queries find more among the vectors that the store has, so that nothing need be embedded anew.

    It learns which items people took for which query, from the log or from judged queries, with the stored vectors as they are;
    what it makes of the same queries and of the items' texts is kept near to what the store's encoder makes of them, so that
    items which are new may be embedded by it and stand beside the others. Those that have a vector keep it: it serves them best.
    Half of the queries are left to the gate, and a fifth of the others is held out: unless these find more than before, nothing
    is written and the command fails. The store stays as it is: `segue upgrade bridge` takes the model there.

    \b
    segue upgrade train --store store --out encoder-2
    segue upgrade train --store store --out encoder-2 --judgements judged.tsv --domain films --steps 600
    """
    with Steps(unit=" steps", quiet=as_json) as progress:
        result = train_encoder(
            store,
            out,
            model=model,
            judgements=judgements,
            domain=domain,
            lesson=Lesson(steps=steps, seed=seed),
            progress=progress,
        )
    print_json(result) if as_json else click.echo(as_text(result))
    if not result["kept"]:
        raise click.exceptions.Exit(1)
