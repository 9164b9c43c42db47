"""Commands over the log of answers and actions: learn, ubi import, ubi export."""

from contextlib import closing
from pathlib import Path

import click

from segue.cli.common import json_option, print_json, say, store_option
from segue.engine import Engine
from segue.events import EventLog
from segue.recipes.learn import as_table as learned_table
from segue.recipes.learn import learn as learn_rankers
from segue.recipes.progress import Steps
from segue.recipes.ubi import export_ubi, import_ubi, summary
from segue.retrieve.catalogue.tables import existing
from segue.store import Store


@click.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@store_option
@click.option(
    "--queries", type=click.Path(path_type=Path), help="File of the queries, when FILE holds the events only."
)
@click.option("--domain", help="The items' domain.  [default: looked up in the store's catalogues]")
@click.option("--dry-run", is_flag=True, help="Say what would be new, and write nothing.")
@json_option
def import_(file: Path, store: Path, queries: Path | None, domain: str | None, dry_run: bool, as_json: bool) -> None:
    """Learn from the UBI queries and events of FILE: JSON Lines (.gz may follow), also as bulk requests or a dump of an index.

    What the store knows already changes nothing, so a file can be imported again. Lines that cannot be used are kept out,
    counted, and shown with the reason.
    """
    for one in (file, queries) if queries else (file,):
        existing(one)
    with Engine.open(store, create=False) as engine:
        with Steps(unit=" lines", quiet=as_json) as progress:
            report = import_ubi(engine, file, queries=queries, domain=domain, dry_run=dry_run, progress=progress)
        print_json(report.to_body()) if as_json else click.echo(summary(report, engine.store.actions, say))


@click.command("export")
@click.argument("file", type=click.Path(path_type=Path))
@store_option
@json_option
def export(file: Path, store: Path, as_json: bool) -> None:
    """Write the log to FILE (.ndjson; .gz may follow) as UBI: bulk requests with each answer and what was done with it."""
    opened = Store.open(store, create=False)
    with closing(EventLog.open(opened.events)) as log, Steps(unit=" events", quiet=as_json) as progress:
        written = export_ubi(log, file, progress=progress)
    if as_json:
        print_json({"queries": written.queries, "events": written.events})
    else:
        click.echo(f"{file}: {written.queries:,} queries, {written.events:,} events")


@click.command()
@store_option
@click.option("--dry-run", is_flag=True, help="Train and judge, and change nothing.")
@click.option("--seed", default=0, show_default=True, help="Same seed, same log: same ranker.")
@json_option
def learn(store: Path, dry_run: bool, seed: int, as_json: bool) -> None:
    """Learn a ranker for each domain from the log, and let it go live where it serves people better than what is live now.

    It is judged on the last fifth of the pages, which it has not learned from. A server takes up a new ranker by itself. The
    selection policy and the memory need no command: they learn from every action at once.
    """
    result = learn_rankers(store, dry_run=dry_run, seed=seed, quiet=as_json)
    print_json(result) if as_json else click.echo(learned_table(result))
