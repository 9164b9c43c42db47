"""Commands to train and to measure readers of requests."""

from pathlib import Path

import click

from segue import live_readers
from segue.cli.common import json_option, print_json, say, store_option
from segue.recipes.evaluate_reader import as_table, evaluate_reader, warnings
from segue.recipes.progress import Steps
from segue.recipes.reranker_report import as_text
from segue.recipes.train_reader import train_reader
from segue.recipes.train_reranker import train_reranker
from segue.store import Store

data_option = click.option(
    "--data",
    type=click.Path(path_type=Path),
    required=True,
    help="JSON Lines with text, domain, intent, slots (.gz accepted).",
)
retired_option = click.option("--domain", required=True, help="The reader's domain.")


@click.command("reader")
@data_option
@click.option(
    "--out", type=click.Path(path_type=Path), required=True, help="Folder for the readers, one folder a domain."
)
@click.option("--domain", help="Train this domain's only, and touch no other's.  [default: all]")
@click.option("--encoder", is_flag=True, help="Beside the small encoder: better, and some milliseconds more a request.")
@click.option("--processes", type=click.IntRange(min=1), help="Domains trained at a time.  [default: one a core]")
@json_option
def reader(data: Path, out: Path, domain: str | None, encoder: bool, processes: int | None, as_json: bool) -> None:
    """Train a reader for each domain of labelled requests: it tells the domain, the intent and the slots, with probabilities.

    Each is trained by itself, with the other domains' requests as what it is not, so that one can be added or replaced later.
    The same data give the same readers.

    \b
    segue train reader --data requests.jsonl --out readers
    segue train reader --data requests.jsonl --out readers --domain music
    """
    with Steps(unit="", quiet=as_json) as progress:
        result = train_reader(data, out, domain=domain, encoder=encoder, processes=processes, progress=progress)
    if as_json:
        print_json(result)
        return
    for name, one in result["domains"].items():
        click.echo(
            f"{name}: {one['utterances']:,} requests, {one['intents']} intents, {one['slots']} kinds of slots, "
            f"{one['seconds']:.1f} s → {out / one['folder']}"
        )


@click.command("reranker")
@data_option
@click.option(
    "--model",
    type=click.Path(path_type=Path),
    required=True,
    help="The folder of readers that `segue train reader` filled from the same data.",
)
@click.option("--domain", help="Train this domain's only, and touch no other's.  [default: all]")
@click.option(
    "--store",
    type=click.Path(path_type=Path),
    help="Look slots up in this store's catalogues, learn from its people's corrections, and go live there.",
)
@click.option(
    "--live/--no-live", default=True, show_default=True, help="With --store: understand its requests with it."
)
@click.option(
    "--context",
    multiple=True,
    metavar="KEY",
    help="Weights of their own for what contexts say of KEY; may be repeated.",
)
@click.option("--match/--no-match", default=False, show_default=True, help="Keep the old re-ranker's spread of scores.")
@click.option("--pictures", type=click.Path(path_type=Path), help="Draw calibration and confusion into this folder.")
@click.option("--processes", type=click.IntRange(min=1), help="Domains read at a time.  [default: one a core]")
@json_option
def reranker(
    data: Path,
    model: Path,
    domain: str | None,
    store: Path | None,
    live: bool,
    context: tuple[str, ...],
    match: bool,
    pictures: Path | None,
    processes: int | None,
    as_json: bool,
) -> None:
    """Train a re-ranker for each domain, alone: what its reader's probabilities are worth, so that domains compare.

    The readers first read all requests that they have not seen, which takes about five times as long as to train them; that is
    kept in the model's folder, so that the next time takes seconds. Figures are of requests that the re-ranker has not seen.

    
    segue train reranker --data requests.jsonl --model readers
    segue train reranker --data requests.jsonl --model readers --domain music --store store
    """
    with Steps(unit="", quiet=as_json) as progress:
        result = train_reranker(
            data,
            model,
            domain=domain,
            store=store,
            live=live,
            contexts=context,
            match=match,
            pictures=pictures,
            processes=processes,
            progress=progress,
        )
    if as_json:
        print_json(result)
        return
    for line in as_text(result):
        click.echo(line)


@click.command("reader")
@retired_option
@store_option
def retire_reader(domain: str, store: Path) -> None:
    """Ask a domain no more, unless a request names it. The other domains go on by their readers, and score as before.

    A server notices by itself, within a second of the next request. What is retired stays in the store: `segue restore reader`
    puts it back, and so does training it with --store.

    \b
    segue retire reader --domain music --store store
    """
    click.echo(f"{domain}: retired is {live_readers.retire(Store.open(store, create=False), domain).name}.")


@click.command("reader")
@retired_option
@store_option
def restore_reader(domain: str, store: Path) -> None:
    """Ask a domain again that was retired, as it was understood before. A server notices by itself.

    \b
    segue restore reader --domain music --store store
    """
    click.echo(f"{domain}: live is {live_readers.restore(Store.open(store, create=False), domain).name}.")


@click.command("reader")
@click.option(
    "--model", type=click.Path(path_type=Path), required=True, help="The folder that `segue train reader` filled."
)
@data_option
@click.option(
    "--store",
    type=click.Path(path_type=Path),
    help="The store in whose catalogues re-rankers look slots up, if they were trained with one.",
)
@click.option(
    "--seed", default=0, show_default=True, help="For the floor of the calibration error, which is simulated."
)
@json_option
def reader_quality(model: Path, data: Path, store: Path | None, seed: int, as_json: bool) -> None:
    """Measure readers on labelled requests that they were not trained on: domain, intent, slots, calibration, time.

    With their re-rankers, too, where the folder has some.
    """
    result = evaluate_reader(model, data, store=store, seed=seed)
    for line in warnings(result):
        say(line)
    print_json(result) if as_json else click.echo(as_table(result))
