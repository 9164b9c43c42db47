"""Build the demo's store: films, songs and books, from data that comes with installed packages and a list of our own."""

from collections.abc import Callable
from pathlib import Path

from segue.engine import Engine
from segue.recipes import demo_data
from segue.recipes.progress import Steps

CATALOGUES = {"songs": demo_data.songs, "books": demo_data.books, "films": demo_data.films}


def build(folder: Path, *, say: Callable[[str], None], quiet: bool = False) -> None:
    """Index the three catalogues; one that is there already is left as it is, so a stopped build goes on."""
    with Engine.open(folder, threads=2) as engine:
        for domain, rows in CATALOGUES.items():
            if domain in engine.domains.names():
                continue
            say(f"Indexing {domain} …")
            with Steps(quiet=quiet) as progress:
                report = engine.index(rows(), domain=domain, progress=progress)
            say(f"  {report.added:,} {domain} · {report.roles.describe()}")
