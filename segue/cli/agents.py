"""Commands for agents that follow instructions."""

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any, TypeVar

import click

from segue import live_agents
from segue.cli.common import json_option, print_json, store_option
from segue.recipes.agent_worlds import WORLDS, Choice, ground
from segue.recipes.tensorboard import writing
from segue.recipes.train_agent import plan_for, train_agent, unwatched
from segue.recipes.use_agent import adapt_agent, caption_trajectories, evaluate_agent, score_trajectories
from segue.store import Store

Command = TypeVar("Command", bound=Callable[..., Any])

model_option = click.option(
    "--model", type=click.Path(path_type=Path), required=True, help="The folder that `segue train agent` wrote."
)
out_option = click.option(
    "--out", type=click.Path(path_type=Path), required=True, help="Folder for the agent; a new one."
)
domain_option = click.option("--domain", default="home", show_default=True, help="The domain that it acts in.")
seed_option = click.option("--seed", default=0, show_default=True, help="Same data, same seed: same result.")
trajectories_option = click.option(
    "--trajectories",
    type=click.Path(path_type=Path),
    required=True,
    help="JSON in Room-to-Room's format: scan, heading, path and instructions of each.",
)


def world_options(command: Command) -> Command:
    """`--world`, `--data`, `--houses`, `--level`."""
    for option in (
        click.option("--level", "levels", multiple=True, help="BabyAI's level; may be repeated.  [default: GoToLocal]"),
        click.option(
            "--houses", type=click.IntRange(min=1), help="So many houses.  [default: what there is, or 40 generated]"
        ),
        click.option("--data", type=click.Path(path_type=Path), help="Room-to-Room's folder."),
        click.option(
            "--world",
            type=click.Choice(WORLDS),
            default="houses",
            show_default=True,
            help="Generated houses, Room-to-Room's files, or BabyAI (pip install 'segue[act]').",
        ),
    ):
        command = option(command)
    return command


@click.command("agent")
@world_options
@out_option
@click.option("--demonstrations", type=click.IntRange(min=1), help="So many, where they are generated.")
@click.option("--effort", type=click.FloatRange(min=0.001), default=1.0, show_default=True, help="Times the updates.")
@click.option("--tensorboard", type=click.Path(path_type=Path), help="Folder to write what TensorBoard shows.")
@seed_option
@json_option
def train(
    world: str,
    data: Path | None,
    houses: int | None,
    levels: tuple[str, ...],
    out: Path,
    demonstrations: int | None,
    effort: float,
    tensorboard: Path | None,
    seed: int,
    as_json: bool,
) -> None:
    """Train an agent that follows instructions, from demonstrations with instructions alone: no reward is given.

    It clones the demonstrations, learns to name trajectories and to walk without a goal, learns a reward, and then reward and
    policy together, by inverse reinforcement learning with language goals; in BabyAI it practises missions that nobody shows, and
    names in hindsight what it did. What comes out acts, says how far a trajectory did what was asked, and puts trajectories into
    words. Stopped, the same command goes on from OUT.training.

    \b
    segue train agent --world houses --out agent --effort 0.2
    segue train agent --world r2r --data r2r --out agent
    segue train agent --world babyai --level GoToLocal --level PickupLoc --out agent
    """
    choice = _choice(world, data, houses, levels, seed, demonstrations)
    with writing(tensorboard) if tensorboard else nullcontext(unwatched) as watch:
        result = train_agent(
            ground(choice),
            out,
            plan=plan_for(world).scaled(effort),
            about=choice.described(),
            seed=seed,
            progress=not as_json,
            watch=watch,
        )
    if as_json:
        print_json(result)
        return
    cloned, learned, reward = result["cloned"], result["learned"], result["reward"]
    click.echo(f"{result['demonstrations']:,} demonstrations; on what was held out:")
    click.echo(f"  success, cloned:                    {cloned['success']:.1%}")
    click.echo(f"  success, learned:                   {learned['success']:.1%}")
    click.echo(f"  right instruction above wrong one:  {reward['right above wrong']:.1%} of trajectories")
    click.echo(f"The agent is in {out}.")


@click.command("agent")
@model_option
@world_options
@click.option(
    "--instructions",
    type=click.Path(path_type=Path),
    help="JSON in Room-to-Room's or REVERIE's format.  [default: unseen ones of the world]",
)
@click.option("--place", "places", multiple=True, help="Only in this house; may be repeated.")
@click.option("--count", type=click.IntRange(min=0), default=0, help="Only so many.  [default: all, or some hundreds]")
@click.option("--think", is_flag=True, help="Compare before acting: ways on a map, or tries.")
@seed_option
@json_option
def evaluate(
    model: Path,
    world: str,
    data: Path | None,
    houses: int | None,
    levels: tuple[str, ...],
    instructions: Path | None,
    places: tuple[str, ...],
    count: int,
    think: bool,
    seed: int,
    as_json: bool,
) -> None:
    """Measure an agent on instructions: success, SPL, oracle success, metres from the goal; in BabyAI success and steps.

    With --think it compares the ways that lead through a house, by its reward and by what it would call them, before it walks
    the best: through places where it came, in a house that it adapted to; of other houses it is given the map. In BabyAI, where
    there is no map, it tries each mission eight times, and the try counts that it believes to be what was asked.

    \b
    segue evaluate agent --model agent --world houses
    segue evaluate agent --model agent --world houses --think
    segue evaluate agent --model agent --world r2r --data r2r --instructions r2r/R2R_val_unseen.json --json
    """
    choice = _choice(world, data, houses, levels, seed)
    result = evaluate_agent(model, choice, instructions=instructions, places=places, count=count, think=think)
    if as_json:
        print_json(result)
        return
    click.echo(f"{result['tasks']:,} instructions, mean and 95 % interval")
    for name, one in result["measures"].items():
        click.echo(f"  {name:>10}  {one['mean']:6.3f}  ({one['low']:.3f} to {one['high']:.3f})")


@click.command("agent")
@model_option
@click.option(
    "--place", help="The generated house that it acts in, such as house-0-46.  [default: the one that it names]"
)
@domain_option
@store_option
def publish(model: Path, place: str | None, domain: str, store: Path) -> None:
    """Let an agent act in a store: instructions to it are carried out, and the console draws its walks.

    It acts in a generated house, best in one that it was trained in or adapted to. A server notices by itself, and what acted
    before is replaced.

    \b
    segue train agent   --world houses --out agent
    segue adapt agent   --model agent --place house-0-46 --out adapted
    segue publish agent --model adapted --place house-0-46 --store store
    segue ask "go to the kitchen and stop at the sink" --store store
    """
    name = live_agents.publish(Store.open(store), model, domain=domain, house=place)
    click.echo(f"{domain}: {name} acts.")


@click.command("agent")
@domain_option
@store_option
def retire_agent(domain: str, store: Path) -> None:
    """Let nobody act in a domain any more. A server notices by itself; `segue restore agent` puts the agent back.

    \b
    segue retire agent --domain home --store store
    """
    click.echo(f"{domain}: retired is {live_agents.retire(Store.open(store, create=False), domain).name}.")


@click.command("agent")
@domain_option
@store_option
def restore_agent(domain: str, store: Path) -> None:
    """Let the agent act again that was retired. A server notices by itself.

    \b
    segue restore agent --domain home --store store
    """
    click.echo(f"{domain}: live is {live_agents.restore(Store.open(store, create=False), domain).name}.")


@click.command("agent")
@model_option
@world_options
@click.option("--place", "places", multiple=True, required=True, help="The new house's name; may be repeated.")
@out_option
@click.option(
    "--walks",
    type=click.IntRange(min=1),
    default=2000,
    show_default=True,
    help="To explore by.",
)
@click.option(
    "--ways", type=click.IntRange(min=1), default=12_000, show_default=True, help="To name and to learn from."
)
@click.option("--updates", type=click.IntRange(min=1), default=1200, show_default=True, help="To learn for.")
@seed_option
@json_option
def adapt(
    model: Path,
    world: str,
    data: Path | None,
    houses: int | None,
    levels: tuple[str, ...],
    places: tuple[str, ...],
    out: Path,
    walks: int,
    ways: int,
    updates: int,
    seed: int,
    as_json: bool,
) -> None:
    """Adapt an agent to a house that nobody gave instructions for.

    It walks there without a goal, as its demonstrations do, puts into words the ways between where it came, and learns from
    these examples beside its demonstrations; it remembers the house. Houses that it adapted to before it keeps; name several at
    once by several --place. The world must be the one that it was trained in. Takes about seven minutes.

    \b
    segue adapt agent --model agent --world r2r --data r2r --place 2azQ1b91cZZ --out adapted
    segue evaluate agent --model adapted --world r2r --data r2r --place 2azQ1b91cZZ
    """
    choice = _choice(world, data, houses, levels, seed)
    result = adapt_agent(
        model, ground(choice), places, out, walks=walks, ways=ways, updates=updates, seed=seed, progress=not as_json
    )
    if as_json:
        print_json(result)
        return
    click.echo(f"{result['examples']:,} examples of its own in {', '.join(places)}; the agent is in {out}.")


@click.command("trajectory")
@model_option
@world_options
@trajectories_option
@json_option
def score(
    model: Path,
    world: str,
    data: Path | None,
    houses: int | None,
    levels: tuple[str, ...],
    trajectories: Path,
    as_json: bool,
) -> None:
    """Say how far each trajectory does what its instructions ask, by reward and generator, and how likely it is that this was
    asked and not something else.

    \b
    segue score trajectory --model agent --world r2r --data r2r --trajectories walked.json
    """
    result = score_trajectories(model, _choice(world, data, houses, levels, 0), trajectories)
    if as_json:
        print_json(result)
        return
    for one in result:
        click.echo(f"{one['score']:8.2f}  {one['likely']:4.0%}  {one['path']}  {one['instruction'].strip()}")


@click.command("trajectory")
@model_option
@world_options
@trajectories_option
@click.option("--each", type=click.IntRange(min=1), default=3, show_default=True, help="So many names for each.")
@seed_option
@json_option
def caption(
    model: Path,
    world: str,
    data: Path | None,
    houses: int | None,
    levels: tuple[str, ...],
    trajectories: Path,
    each: int,
    seed: int,
    as_json: bool,
) -> None:
    """Put trajectories into words, each in several ways; the instructions of the file are not read.

    \b
    segue caption trajectory --model agent --world r2r --data r2r --trajectories walked.json --each 5
    """
    result = caption_trajectories(model, _choice(world, data, houses, levels, seed), trajectories, each=each, seed=seed)
    if as_json:
        print_json(result)
        return
    for one in result:
        click.echo(one["path"])
        for said in one["captions"]:
            click.echo(f"  {said}")


def _choice(
    world: str,
    data: Path | None,
    houses: int | None,
    levels: tuple[str, ...],
    seed: int,
    demonstrations: int | None = None,
) -> Choice:
    return Choice(world, data, houses, levels or ("GoToLocal",), demonstrations, seed)
