"""The command line: parse, call one recipe or engine method, print."""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "2")  # before numpy and faiss are loaded: more threads than cores only wait

import click

from segue.answers import to_body
from segue.engine import Engine
from segue.errors import InvalidInput, NotBuilt, SegueError
from segue.recipes import demo as demo_store
from segue.recipes.evaluate_search import as_table, evaluate_search
from segue.recipes.progress import Steps
from segue.records import Answer
from segue.retrieve.catalogue import Report, Wishes
from segue.retrieve.catalogue.tables import existing
from segue.serve.run import serve as run_server

_PORT = 8765
_store = click.option("--store", type=click.Path(path_type=Path), required=True, help="The store's folder.")
_json = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
_host = click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="Address to listen on; others than loopback can be reached from outside.",
)
_port = click.option(
    "--port",
    default=_PORT,
    show_default=True,
    type=click.IntRange(1, 65535),
    help="Port; if it is taken, the next free one.",
)
_browser = click.option("--browser/--no-browser", default=True, help="Open the console in the browser.")


class _Commands(click.Group):
    """Turns every error of ours into one line on standard error."""

    def invoke(self, context: click.Context) -> Any:
        try:
            return super().invoke(context)
        except NotBuilt as error:
            click.echo(f"segue: {error}", err=True)
            context.exit(2)
        except SegueError as error:
            click.echo(f"segue: {error}", err=True)
            context.exit(1)
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            context.exit(1)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="segue")
def main() -> None:
    """Takes a request in plain language to the right result, and learns from what people do with it.

    \b
    Start here:
      segue demo                                             films, songs and books, in your browser
      segue index FILE --domain NAME --store DIR             your own catalogue
      segue ask "mary poppins" --store DIR                   a question
      segue feedback ANSWER ITEM --action play --store DIR   what you did with a result
      segue serve --store DIR                                console and HTTP interface
    """


@main.command()
@click.option(
    "--store",
    type=click.Path(path_type=Path),
    default=Path("demo-store"),
    show_default=True,
    help="Where the demo's store is built.",
)
@_host
@_port
@_browser
def demo(store: Path, host: str, port: int, browser: bool) -> None:
    """Build a store of 58,788 films, 317 songs and 1,300 books, then serve it with the console.

    The first start takes about a minute; a build that was stopped goes on. Delete the folder to start afresh.
    """
    demo_store.build(store, say=_say)
    with Engine.open(store) as engine:
        run_server(engine, host=host, port=port, browser=browser, say=_say)


@main.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--domain", required=True, help="The domain to put the items into, such as films; made if new.")
@_store
@click.option("--id", "id_column", help="Column with the item's id.  [default: found by name]")
@click.option("--title", help="Column with the title.  [default: found by name]")
@click.option(
    "--text", multiple=True, help="Column with text to search; may be repeated.  [default: found by name and length]"
)
@click.option("--category", multiple=True, help="Column with values to pick from (genre, author, …); may be repeated.")
@click.option("--popularity", help="Column with a number, larger is more popular.  [default: found by name]")
@click.option("--ignore", multiple=True, help="Column to leave out; may be repeated.")
@click.option("--encoding", default="utf-8", show_default=True, help="Encoding of the file's text.")
@click.option("--replace", is_flag=True, help="Delete the items of the domain that the file does not name.")
@click.option("--delete", is_flag=True, help="Delete the items that the file names (by its id column), add nothing.")
@click.option("--quiet", is_flag=True, help="No progress bars.")
def index(
    file: Path,
    domain: str,
    store: Path,
    id_column: str | None,
    title: str | None,
    text: tuple[str, ...],
    category: tuple[str, ...],
    popularity: str | None,
    ignore: tuple[str, ...],
    encoding: str,
    replace: bool,
    delete: bool,
    quiet: bool,
) -> None:
    """Add or update the items of FILE: CSV, TSV, JSON Lines, JSON or Parquet (.gz may follow).

    Nothing is visible until the whole file has been read. Press Ctrl+C to stop; the same command goes on where it was.
    Rows that cannot be used are kept out, counted, and shown with their line and the reason.
    """
    wishes = Wishes(id_column, title, text, category, popularity, ignore)
    existing(file)
    with Engine.open(store, create=not delete, threads=2) as engine, Steps(quiet=quiet) as progress:
        if delete:
            gone = engine.delete_listed(file, domain=domain, id_column=id_column, encoding=encoding)
            click.echo(f"{domain}: {len(gone):,} deleted")
            return
        report = engine.index(
            file,
            domain=domain,
            wishes=None if wishes == Wishes() else wishes,
            replace=replace,
            encoding=encoding,
            chosen=lambda roles: _say(roles.describe()),
            progress=progress,
        )
    _show_report(report, domain)


def _show_report(report: Report, domain: str) -> None:
    for line, reason in report.rejected_rows[:20]:
        _say(f"  line {line}: {reason}")
    if report.rejected > 20:
        _say(f"  … and {report.rejected - 20:,} more")
    click.echo(
        f"{domain}: {report.added:,} added, {report.updated:,} updated, {report.unchanged:,} unchanged, "
        f"{report.deleted:,} deleted, {report.rejected:,} rows kept out"
    )


@main.command()
@click.argument("text")
@_store
@click.option(
    "--context", multiple=True, metavar="KEY=VALUE", help="Where it is asked, such as device=tv; may be repeated."
)
@click.option("--domain", help="Search this domain only.")
@click.option("--limit", default=10, show_default=True, help="Results wanted.")
@click.option("--seed", default=0, show_default=True, help="Same request, store and seed: same answer.")
@_json
def ask(
    text: str, store: Path, context: tuple[str, ...], domain: str | None, limit: int, seed: int, as_json: bool
) -> None:
    """Answer TEXT, and say why.

    \b
    segue ask "comedies from 1995" --store demo-store
    segue ask "love" --store demo-store --domain songs --limit 3 --json
    """
    with Engine.open(store, create=False) as engine:
        answer = engine.ask(text, context=_pairs(context), domain=domain, limit=limit, seed=seed)
        _print_json(to_body(answer)) if as_json else _print_answer(answer)


@main.command()
@click.argument("answer")
@click.argument("item")
@_store
@click.option(
    "--action", required=True, help="click, play, save, like, buy, skip, dislike, undo, or what segue.json names."
)
@click.option("--domain", help="The item's domain, when two domains show the same id.")
@click.option("--id", "event_id", help="Your own id for this event: sent twice, it counts once.")
@_json
def feedback(
    answer: str, item: str, store: Path, action: str, domain: str | None, event_id: str | None, as_json: bool
) -> None:
    """Tell what a person did with ITEM of ANSWER (both are ids). It is on disk and learned when the command ends."""
    with Engine.open(store, create=False) as engine:
        sent, done = engine.send_feedback(answer, item, action=action, domain=domain, id=event_id)
        (new,) = done.result()
    if as_json:
        _print_json({"id": sent.id, "domain": sent.domain, "new": new})
    else:
        click.echo(f"learned: {action} {item}" if new else f"already known: {sent.id}")


@main.command()
@_store
@_host
@_port
@click.option("--browser/--no-browser", default=False, help="Open the console in the browser.")
def serve(store: Path, host: str, port: int, browser: bool) -> None:
    """Serve the console and the HTTP interface of a store."""
    with Engine.open(store, create=False) as engine:
        run_server(engine, host=host, port=port, browser=browser, say=_say)


@main.command()
@click.argument("answer")
@_store
@_json
def explain(answer: str, store: Path, as_json: bool) -> None:
    """Why ANSWER (an id) was given: what was understood, what was asked of each domain, and where each result came from."""
    with Engine.open(store, create=False) as engine:
        body = engine.answer(answer)
    if as_json:
        _print_json(body)
        return
    click.echo(f'"{body["request"]["text"]}" · {body["milliseconds"]:.1f} ms')
    for part in body["trace"]["domains"]:
        click.echo(f"\n{part['domain']}  {part['confidence']:.0%}  searched: {part['query']}")
        for reading in part["readings"]:
            click.echo(f"  read as {reading['slots']} and the words {reading['words']}  ({reading['probability']:.0%})")
        asked = [f"{one['strategy']} {one['k']}" for one in body["selection"] if one["domain"] == part["domain"]]
        click.echo(f"  asked: {', '.join(asked)}")
    click.echo("")
    for place, result in enumerate(body["results"], 1):
        sources = ", ".join(f"{name} #{source['rank']}" for name, source in result["sources"].items())
        click.echo(f"{place:>3}. {_plain(result['title'])}  [{result['domain']}]  {sources}")


@main.group()
def evaluate() -> None:
    """Measure: search on judged queries; policies and readers to come."""


@evaluate.command("search")
@click.option(
    "--catalogue", type=click.Path(path_type=Path), required=True, help="File of items, as for `segue index`."
)
@click.option(
    "--judgements",
    type=click.Path(path_type=Path),
    required=True,
    help="TSV with query_id, query, doc_id, grade (header; .gz accepted).",
)
@click.option("--budget", default=10, show_default=True, help="Candidates that are handed on.")
@click.option("--strategies", help="Names with commas between.  [default: all]")
@click.option("--queries", type=click.IntRange(min=1), help="Only so many queries, drawn at random.  [default: all]")
@click.option("--seed", default=0, show_default=True, help="For the draw.")
@click.option(
    "--store", type=click.Path(path_type=Path), help="Keep the index here for the next time.  [default: temporary]"
)
@_json
def search_quality(
    catalogue: Path,
    judgements: Path,
    budget: int,
    strategies: str | None,
    queries: int | None,
    seed: int,
    store: Path | None,
    as_json: bool,
) -> None:
    """Score every strategy, their union, rank fusion and the live policy on a judged collection."""
    result = evaluate_search(
        catalogue,
        judgements,
        budget=budget,
        strategies=[name.strip() for name in strategies.split(",")] if strategies else (),
        queries=queries,
        store=store,
        seed=seed,
    )
    missing = result["judgements"]["documents not in the catalogue"]
    if missing:
        _say(f"{missing:,} judged documents are not in the catalogue: they count as not found.")
    _print_json(result) if as_json else click.echo(as_table(result))


def _not_built(name: str, what: str) -> Callable[..., None]:
    def command(rest: tuple[str, ...]) -> None:
        raise NotBuilt(f"`segue {name}` is not built yet. It will {what}.")

    command.__doc__ = f"(Not built yet.) {what[0].upper()}{what[1:]}."
    return command


for _group, _name, _what in (
    (main, "learn", "train ranker and policy from the log"),
    (main, "simulate", "simulated clicks on your own catalogue"),
    (main, "train", "train a reader, a re-ranker or an agent"),
    (main, "upgrade", "replace an encoder, a reader or a ranker without breaking what worked"),
    (main, "migrate", "give a trained model another position encoding"),
    (evaluate, "policy", "judge a policy from the log, off-line"),
    (evaluate, "reader", "measure a reader on labelled requests"),
):
    _group.command(_name, context_settings={"ignore_unknown_options": True})(
        click.argument("rest", nargs=-1, type=click.UNPROCESSED)(_not_built(_name, _what))
    )


def _pairs(context: tuple[str, ...]) -> dict[str, str]:
    pairs = {}
    for pair in context:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise InvalidInput(f"--context {pair!r} is no pair.", expected="KEY=VALUE, such as device=tv")
        pairs[key] = value
    return pairs


def _print_answer(answer: Answer) -> None:
    for reading in answer.hypotheses:
        slots = ", ".join(f"{name}: {value}" for name, value in reading.slots.items())
        click.echo(f"{reading.confidence:>5.0%}  {reading.domain}  {reading.intent}  {slots}")
    click.echo("")
    for place, result in enumerate(answer.results, 1):
        year = result.fields.get("year")
        when = f" ({year:.0f})" if isinstance(year, float) else ""
        sources = ", ".join(f"{name} #{source.rank}" for name, source in result.sources.items())
        click.echo(f"{place:>3}. {_plain(result.title)}{when}  [{result.domain}]  {result.id}")
        click.echo(f"     {sources}")
    click.echo(f"\nanswer {answer.id} · {answer.milliseconds:.1f} ms")


def _plain(text: str) -> str:
    """Catalogue text for a terminal: without the characters that would command it."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)


def _print_json(value: Any) -> None:
    click.echo(json.dumps(value, ensure_ascii=False, indent=None if not sys.stdout.isatty() else 2))


def _say(line: str) -> None:
    click.echo(line, err=True)


if __name__ == "__main__":
    main()
