"""Commands to replace an encoder of a live store: plan, bridge, gate, live, backfill, finish, rollback, status."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click

from segue.cli.common import json_option, print_json, store_option
from segue.errors import InvalidInput
from segue.recipes.progress import Steps
from segue.recipes.upgrade import bridge as bridging
from segue.recipes.upgrade import going_live, judge_others
from segue.recipes.upgrade import judge as judging
from segue.recipes.upgrade import plan as planning
from segue.recipes.upgrade import report as reporting
from segue.recipes.upgrade.candidates import located
from segue.store import Store

model_option = click.option(
    "--model",
    type=click.Path(path_type=Path),
    required=True,
    help="The new encoder: a BERT-like folder (config.json, model.safetensors, tokenizer.json), or an encoder's artifact.",
)
candidate_option = click.option(
    "--candidate",
    type=click.Path(path_type=Path),
    required=True,
    help="What may go live: its name, as `segue upgrade bridge` prints it, or its folder.",
)
judgements_option = click.option(
    "--judgements",
    type=click.Path(path_type=Path),
    help="TSV with query_id, query, doc_id, grade: what people should find.  [default: the log, and titles]",
)
budget_option = click.option(
    "--budget",
    default=0.015,
    show_default=True,
    type=click.FloatRange(0, 1),
    help="Share of all cases that may be lost: found before, and not then. The upper end of its interval must be within.",
)
queries_option = click.option(
    "--queries", default=1000, show_default=True, type=click.IntRange(min=10), help="Most cases of each kind."
)
seed_option = click.option("--seed", default=0, show_default=True, help="Same store and seed: same cases.")
anyway_option = click.option("--anyway", is_flag=True, help="Even where the gate refuses, or was not asked.")
share_option = click.option(
    "--share",
    default=0.1,
    show_default=True,
    type=click.FloatRange(0, 1, min_open=True),
    help="Of each domain's items, to be embedded by the new encoder to fit the map.",
)


@click.command()
@store_option
@model_option
@share_option
@click.option("--price", type=click.FloatRange(min=0), help="Of an hour of such a machine, to say what it costs.")
@click.option("--per-second", type=click.FloatRange(min=0, min_open=True), help="Items, if it is to be slower.")
@json_option
def plan(store: Path, model: Path, share: float, price: float | None, per_second: float | None, as_json: bool) -> None:
    """What replacing the encoder changes and costs: items to embed, hours, money, disk, milliseconds. Nothing is done yet.

    \b
    segue upgrade plan --store store --model bge-small --price 0.12
    """
    _show(planning.plan(store, model, share=share, price=price, per_second=per_second), planning.as_text, as_json)


@click.command()
@store_option
@model_option
@click.option(
    "--how",
    type=click.Choice(["fusion", "ridge", "procrustes", "compatible"]),
    default="fusion",
    show_default=True,
    help="fusion: old and new scores together. ridge, procrustes: a map, and the new encoder alone. compatible: no map, for an "
    "encoder that `segue upgrade train` made.",
)
@share_option
@judgements_option
@budget_option
@queries_option
@seed_option
@json_option
def bridge(
    store: Path,
    model: Path,
    how: str,
    share: float,
    judgements: Path | None,
    budget: float,
    queries: int,
    seed: int,
    as_json: bool,
) -> None:
    """Make a candidate: a bridge from the stored vectors to a new encoder, so that it can answer before all is embedded anew.

    A share of the items is embedded by the new encoder, the most used first. A map is fitted on them, and the weight of the new
    encoder chosen by what is found on half of the queries; the gate asks the other half. Nothing that is searched changes.

    \b
    segue upgrade bridge --store store --model bge-small
    segue upgrade bridge --store store --model bge-small --how procrustes      what others do, to compare
    """
    with Steps(unit=" items", quiet=as_json) as progress:
        result = bridging.bridge(
            store,
            model,
            how=how,  # type: ignore[arg-type]
            share=share,
            judgements=judgements,
            budget=budget,
            queries=queries,
            seed=seed,
            progress=progress,
        )
    _show(result, bridging.as_text, as_json)


@click.command()
@store_option
@candidate_option
@judgements_option
@budget_option
@click.option("--k", type=click.IntRange(1, 100), help="Found is: among the first K.  [default: 10, for a ranker 3]")
@click.option(
    "--data", type=click.Path(path_type=Path), help="Of readers: labelled requests that they did not learn from."
)
@queries_option
@seed_option
@json_option
@click.pass_context
def gate(
    context: click.Context,
    store: Path,
    candidate: Path,
    judgements: Path | None,
    budget: float,
    k: int | None,
    data: Path | None,
    queries: int,
    seed: int,
    as_json: bool,
) -> None:
    """May CANDIDATE go live? Names the queries that it breaks; exit code 1 where it breaks too many.

    Asked are judged queries, what people took for a query, and titles: what is right must stand among the first K, by vectors
    alone and in the whole answer, and the right domain first. What was embedded to fit the bridge is not asked for. The report
    is kept in the store, for `segue upgrade live` and the console.

    CANDIDATE may also be a ranker (a folder among the store's artifacts), whose answers are compared with those of now; or a
    folder of readers and re-rankers, which must read --data as well as those that are live.

    \b
    segue upgrade gate --store store --candidate bridge-0123456789abcdef
    segue upgrade gate --store store --candidate bridge-0123456789abcdef --judgements judged.tsv --json
    segue upgrade gate --store store --candidate readers --data held-out.jsonl
    """
    folder = located(Store.open(store, create=False), candidate)
    with Steps(unit=" cases", quiet=as_json) as progress:
        if judge_others.are_readers(folder):
            report = judge_others.judge_readers(store, folder, _given(data), budget=budget, seed=seed)
        else:
            ranker = judge_others.is_ranker(folder)
            report = (judge_others.judge_ranker if ranker else judging.judge)(
                store,
                folder if ranker else candidate,
                judgements=judgements,
                budget=budget,
                k=k or (3 if ranker else 10),
                queries=queries,
                seed=seed,
                progress=progress,
            )
    _show(report, reporting.as_text, as_json)
    context.exit(0 if report["passed"] else 1)


@click.command()
@store_option
@candidate_option
@anyway_option
@json_option
def live(store: Path, candidate: Path, anyway: bool, as_json: bool) -> None:
    """Let the new encoder answer beside the old one, from now on, on the vectors that are there.

    A running server notices within a second of the next request. `segue upgrade rollback` undoes it in one step.

    \b
    segue upgrade live --store store --candidate bridge-0123456789abcdef
    """
    going_live.go_live(store, candidate, anyway=anyway)
    _show_status(store, as_json)


@click.command()
@store_option
@click.option(
    "--order",
    type=click.Choice(["used", "uncertain", "random"]),
    default="used",
    show_default=True,
    help="used: what people took most, then what is popular. uncertain: what is least like what is embedded already.",
)
@click.option(
    "--per-second",
    type=click.FloatRange(min=0, min_open=True),
    help="Items a second at most, to leave room for requests.  [default: as fast as it goes]",
)
@click.option("--most", type=click.IntRange(min=1), help="Stop after so many items.  [default: all]")
@click.option("--seed", default=0, show_default=True, help="Of what chance decides.")
@json_option
def backfill(store: Path, order: str, per_second: float | None, most: int | None, seed: int, as_json: bool) -> None:
    """Embed the items by the new encoder, behind the running store. Each answers by its new vector as soon as that is on disk.

    Press Ctrl+C, or lose power: the same command goes on where it was. Indexing goes on beside it.

    \b
    segue upgrade backfill --store store --per-second 50
    """
    with Steps(unit=" items", quiet=as_json) as progress:
        going_live.backfill(
            store,
            order=order,  # type: ignore[arg-type]
            per_second=per_second,
            most=most,
            seed=seed,
            progress=progress,
        )
    _show_status(store, as_json)


@click.command()
@store_option
@judgements_option
@budget_option
@anyway_option
@json_option
def finish(store: Path, judgements: Path | None, budget: float, anyway: bool, as_json: bool) -> None:
    """Let the new encoder answer alone, once it has embedded every item and the gate lets that pass.

    The old vectors stay on disk, and `segue upgrade rollback` goes back to them.

    \b
    segue upgrade finish --store store
    """
    with Steps(unit=" cases", quiet=as_json) as progress:
        going_live.finish(store, judgements=judgements, budget=budget, anyway=anyway, progress=progress)
    _show_status(store, as_json)


@click.command()
@store_option
@json_option
def rollback(store: Path, as_json: bool) -> None:
    """Go back one step: to the old encoder while another takes over, or to the one before once that was finished.

    What was embedded stays: going live again costs nothing. Items that were indexed in between are embedded by the old encoder.

    \b
    segue upgrade rollback --store store
    """
    going_live.rollback(store)
    _show_status(store, as_json)


@click.command()
@store_option
@json_option
def status(store: Path, as_json: bool) -> None:
    """Which encoder answers, which is to take over and how far it is, and what the gate said of each candidate."""
    _show_status(store, as_json)


def _given(data: Path | None) -> Path:
    if data is None:
        raise InvalidInput(
            "Readers are judged on labelled requests, and none were given.",
            expected="requests that they did not learn from",
            fix="pass --data FILE",
        )
    return data


def _show_status(store: Path, as_json: bool) -> None:
    _show(going_live.status_of(store), going_live.as_text, as_json)


def _show(result: Mapping[str, Any], as_text: Callable[[Mapping[str, Any]], str], as_json: bool) -> None:
    print_json(result) if as_json else click.echo(as_text(result))
