"""Commands to use a store: index, ask, feedback, explain."""

from pathlib import Path

import click

from segue.answers import to_body
from segue.cli.common import json_option, print_json, say, store_option
from segue.engine import Engine
from segue.errors import InvalidInput
from segue.recipes.explain import as_text, explained, plain
from segue.recipes.progress import Steps
from segue.recipes.use_encoder import use_encoder
from segue.records import Answer, Question, Walked
from segue.retrieve.catalogue import Report, Wishes
from segue.retrieve.catalogue.tables import existing
from segue.store import Store


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--domain", required=True, help="The domain to put the items into, such as films; made if new.")
@store_option
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
@click.option(
    "--encoder",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="From now on, all of the store is embedded by this model: a BERT-like folder, such as `segue migrate` writes.",
)
@click.option(
    "--whole/--start",
    default=None,
    help="Embed texts whole, as far as the encoder reads, or their start.  [default: as before; at first the start]",
)
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
    encoder: Path | None,
    whole: bool | None,
    quiet: bool,
) -> None:
    """Add or update the items of FILE: CSV, TSV, JSON Lines, JSON or Parquet (.gz may follow).

    Nothing is visible until the whole file has been read. Press Ctrl+C to stop; the same command goes on where it was.
    Rows that cannot be used are kept out, counted, and shown with their line and the reason.

    With another --encoder, and where --whole or --start changes, items are embedded anew. Until the last one is, the store
    answers by the old encoder; `segue upgrade` lets the new one answer at once.
    """
    wishes = Wishes(id_column, title, text, category, popularity, ignore)
    existing(file)
    if encoder is not None:
        say(f"making the encoder that serves from {encoder}: some seconds")
        with Steps(unit=" items", quiet=quiet) as progress:
            use_encoder(Store.open(store, create=not delete), encoder, whole=whole, progress=progress)
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
            whole=whole,
            chosen=lambda roles: say(roles.describe()),
            progress=progress,
        )
    _show_report(report, domain)


def _show_report(report: Report, domain: str) -> None:
    for line, reason in report.rejected_rows[:20]:
        say(f"  line {line}: {reason}")
    if report.rejected > 20:
        say(f"  … and {report.rejected - 20:,} more")
    click.echo(
        f"{domain}: {report.added:,} added, {report.updated:,} updated, {report.unchanged:,} unchanged, "
        f"{report.deleted:,} deleted, {report.rejected:,} rows kept out"
    )


@click.command()
@click.argument("text")
@store_option
@click.option(
    "--context", multiple=True, metavar="KEY=VALUE", help="Where it is asked, such as device=tv; may be repeated."
)
@click.option("--domain", help="Search this domain only.")
@click.option("--limit", default=10, show_default=True, help="Results wanted.")
@click.option("--seed", default=0, show_default=True, help="Same request, store and seed: same answer.")
@json_option
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
        print_json(to_body(answer)) if as_json else _print_answer(answer)


@click.command()
@click.argument("answer")
@click.argument("item")
@store_option
@click.option(
    "--action", required=True, help="click, play, save, like, buy, skip, dislike, undo, or what segue.json names."
)
@click.option("--domain", help="The item's domain, when two domains show the same id.")
@click.option("--id", "event_id", help="Your own id for this event: sent twice, it counts once.")
@json_option
def feedback(
    answer: str, item: str, store: Path, action: str, domain: str | None, event_id: str | None, as_json: bool
) -> None:
    """Tell what a person did with ITEM of ANSWER (both are ids). It is on disk and learned when the command ends."""
    with Engine.open(store, create=False) as engine:
        sent, done = engine.send_feedback(answer, item, action=action, domain=domain, id=event_id)
        (new,) = done.result()
    if as_json:
        print_json({"id": sent.id, "domain": sent.domain, "new": new})
    else:
        click.echo(f"learned: {action} {item}" if new else f"already known: {sent.id}")


@click.command()
@click.argument("answer")
@store_option
@json_option
def explain(answer: str, store: Path, as_json: bool) -> None:
    """Why ANSWER (an id) was given: what was understood, who was asked with what chance, and what put each result there.

    The parts of a result's total are what each strategy and its popularity add; they sum to it.
    """
    with Engine.open(store, create=False) as engine:
        body = explained(engine, answer)
    if as_json:
        print_json(body)
        return
    for line in as_text(body):
        click.echo(line)


def _pairs(context: tuple[str, ...]) -> dict[str, str]:
    pairs = {}
    for pair in context:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise InvalidInput(f"--context {pair!r} is no pair.", expected="KEY=VALUE, such as device=tv")
        pairs[key] = value
    return pairs


def _choosing(question: Question) -> str:
    return " or ".join(f"--domain {one.hypothesis.domain}" for one in question.choices)


def _print_answer(answer: Answer) -> None:
    for reading in answer.hypotheses:
        slots = ", ".join(f"{name}: {value}" for name, value in reading.slots.items())
        click.echo(f"{reading.confidence:>5.0%}  {reading.domain}  {reading.intent}  {slots}")
    if answer.question is not None:
        click.echo(f"\n{answer.question.text} To choose: {_choosing(answer.question)}")
    if answer.decision == "nobody's":
        click.echo("\nNo domain is likely to be meant; these are the nearest guesses.")
    click.echo("")
    for place, result in enumerate(answer.results, 1):
        year = result.fields.get("year")
        when = f" ({year:.0f})" if isinstance(year, float) else ""
        sources = ", ".join(f"{name} #{source.rank}" for name, source in result.sources.items())
        click.echo(f"{place:>3}. {plain(result.title)}{when}  [{result.domain}]  {result.id}")
        if sources:
            click.echo(f"     {sources}")
    if answer.walked is not None:
        _print_walk(answer.walked)
    click.echo(f"\nanswer {answer.id} · {answer.milliseconds:.1f} ms")


def _print_walk(walked: Walked) -> None:
    for place, step in zip(walked.places, walked.steps, strict=False):
        click.echo(
            f"     {step.action:<4}  {plain(place.room):<14} ({place.x:5.1f}, {place.y:5.1f})  "
            f"chance {step.probability:4.0%}  reward {step.reward:+.2f}"
        )
    click.echo(f"     by its own reward, that was asked: {walked.likely:.0%}")
