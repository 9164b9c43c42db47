"""Commands that serve a store: demo, serve."""

from pathlib import Path

import click

from segue.cli.common import browser_option, host_option, port_option, say, store_option
from segue.engine import Engine
from segue.recipes import demo as demo_store
from segue.serve.run import serve as run_server


@click.command()
@click.option(
    "--store",
    type=click.Path(path_type=Path),
    default=Path("demo-store"),
    show_default=True,
    help="Where the demo's store is built.",
)
@host_option
@port_option
@browser_option
@click.option(
    "--understand/--no-understand",
    default=True,
    show_default=True,
    help="Learn in the background what requests mean: intents and slots, a home to command, and what is nobody's.",
)
@click.option(
    "--act/--no-act",
    default=True,
    show_default=True,
    help="Train an agent in the background that walks in a house where it is told to.",
)
def demo(store: Path, host: str, port: int, browser: bool, understand: bool, act: bool) -> None:
    """Build a store of 58,788 films, 317 songs and 1,300 books, then serve it with the console.

    The first start takes about a minute; a build that was stopped goes on. Readers of requests, and an agent that walks in a
    house, are trained while it serves and go live some minutes later. Delete the folder to start afresh.
    """
    demo_store.build(store, say=say)
    if understand:
        demo_store.understand_meanwhile(store, say=say)
    if act:
        demo_store.act_meanwhile(store, say=say)
    with Engine.open(store) as engine:
        run_server(engine, host=host, port=port, browser=browser, say=say)


@click.command()
@store_option
@host_option
@port_option
@click.option("--browser/--no-browser", default=False, help="Open the console in the browser.")
def serve(store: Path, host: str, port: int, browser: bool) -> None:
    """Serve the console and the HTTP interface of a store."""
    with Engine.open(store, create=False) as engine:
        run_server(engine, host=host, port=port, browser=browser, say=say)
