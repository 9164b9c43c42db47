"""Commands to measure search and its learning: simulate, evaluate search, evaluate policy."""

from pathlib import Path

import click

from segue.cli.common import catalogue_option, json_option, judgements_option, print_json, say, store_option
from segue.engine import Engine
from segue.errors import InvalidInput
from segue.recipes.evaluate_policy import as_table as policies_as_table
from segue.recipes.evaluate_policy import evaluate_policy
from segue.recipes.evaluate_search import as_table, evaluate_search
from segue.recipes.simulate import Break
from segue.recipes.simulate import simulate as run_simulation
from segue.recipes.simulation_table import as_table as simulation_table


@click.command()
@catalogue_option
@judgements_option
@click.option("--interactions", type=click.IntRange(min=1), required=True, help="How often people ask.")
@click.option("--budget", default=10, show_default=True, help="Candidates that are kept and shown.")
@click.option(
    "--clicks",
    type=click.Choice(["position", "cascade"]),
    default="position",
    show_default=True,
    help="How people read a page: every place by itself, or from the top until a click.",
)
@click.option(
    "--noise",
    type=click.Choice(["low", "high"]),
    default="low",
    show_default=True,
    help="Clicks on relevant / irrelevant items that were looked at: low .95 / .05, high .6 / .2.",
)
@click.option(
    "--break",
    "breaks",
    metavar="NAME,NAME@N",
    help="From interaction N on these strategies return anything at all: is it noticed, and what does it cost?",
)
@click.option(
    "--measured",
    default=500,
    show_default=True,
    type=click.IntRange(min=1),
    help="Unseen queries, and repeated ones, that are scored at each checkpoint, at most.",
)
@click.option("--seed", default=0, show_default=True, help="Same seed: same people, same requests, same answers.")
@click.option(
    "--store", type=click.Path(path_type=Path), help="Keep the index here for the next time.  [default: temporary]"
)
@json_option
def simulate(
    catalogue: Path,
    judgements: Path,
    interactions: int,
    budget: int,
    clicks: str,
    noise: str,
    breaks: str | None,
    measured: int,
    seed: int,
    store: Path | None,
    as_json: bool,
) -> None:
    """Let simulated people click on your own catalogue, and see what Segue learns from it.

    They ask the judged queries, some often and most seldom, and click what the judgements call relevant, with mistakes. The
    learner sees the clicks only; the figures are by the judgements only. 30 % of the queries are never asked ("unseen"): what
    gets better there was not remembered.

    Each row is a checkpoint: recall and nDCG@10 of the live policy, of the best strategy alone (known with hindsight), of rank
    fusion, which does not learn, and the union of all strategies, which is the most that can be reached.

    \b
    segue simulate --catalogue films.csv --judgements judged.tsv --interactions 2000
    segue simulate --catalogue films.csv --judgements judged.tsv --interactions 3000 --break text,dense@1000
    """
    result = run_simulation(
        catalogue,
        judgements,
        interactions=interactions,
        budget=budget,
        clicks=clicks,
        noise=noise,
        breaks=_broken(breaks),
        measured=measured,
        store=store,
        seed=seed,
    )
    print_json(result) if as_json else click.echo(simulation_table(result))


def _broken(text: str | None) -> Break | None:
    if text is None:
        return None
    names, at, start = text.partition("@")
    if not at or not start.isdecimal() or not names.strip(", "):
        raise InvalidInput(f"--break {text!r} cannot be read.", expected="NAME,NAME@N, such as text,dense@1000")
    return Break(frozenset(name.strip() for name in names.split(",")), int(start))


@click.command("search")
@catalogue_option
@judgements_option
@click.option("--budget", default=10, show_default=True, help="Candidates that are handed on.")
@click.option("--strategies", help="Names with commas between.  [default: all]")
@click.option("--queries", type=click.IntRange(min=1), help="Only so many queries, drawn at random.  [default: all]")
@click.option("--seed", default=0, show_default=True, help="For the draw.")
@click.option(
    "--store", type=click.Path(path_type=Path), help="Keep the index here for the next time.  [default: temporary]"
)
@json_option
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
        say(f"{missing:,} judged documents are not in the catalogue: they count as not found.")
    print_json(result) if as_json else click.echo(as_table(result))


@click.command("policy")
@store_option
@click.option("--policy", help="Judge this one only: fusion, bandit, or a strategy alone.  [default: all]")
@click.option("--domain", help="Judge on the pages of this domain only.")
@click.option("--last", type=click.IntRange(min=1), help="Judge on at most so many answers, the last ones.")
@json_option
def policy_quality(store: Path, policy: str | None, domain: str | None, last: int | None, as_json: bool) -> None:
    """Judge other policies from the log, off-line: what people would have taken from pages that nobody was shown.

    The bandit learns from the first 70 % of the answers and is judged, like rank fusion and every strategy alone, on the last
    30 %. Only answers in which something was tried out tell anything; the warnings say how far to trust an estimate.
    """
    with Engine.open(store, create=False) as engine:
        result = evaluate_policy(engine, policy=policy, domain=domain, last=last, quiet=as_json)
    print_json(result) if as_json else click.echo(policies_as_table(result))
