"""Build the demo's store: films, songs and books, from data that comes with installed packages and a list of our own; and readers
of requests for them and for a home."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from segue.engine import Engine
from segue.errors import Corrupt, NotFound
from segue.live_readers import PART
from segue.recipes import demo_data
from segue.recipes.demo_requests import COUNTS, DOMAINS, as_json_lines, materials, requests
from segue.recipes.progress import Steps
from segue.recipes.train_reader import train_reader
from segue.recipes.train_reranker import train_reranker
from segue.store import Store
from segue.understand.readers import Readers

REQUESTS = "requests.jsonl"
"""Beside the readers: what they have learned from. It is put there when all of them are."""

CATALOGUES = {"songs": demo_data.songs, "books": demo_data.books, "films": demo_data.films}


def build(folder: Path, *, say: Callable[[str], None], understand: bool = False, quiet: bool = False) -> None:
    """Index the three catalogues; one that is there already is left as it is, so a stopped build goes on.

    With `understand`, train readers and re-rankers of requests as well, and let them decide what is meant. Measured on titles
    that one catalogue holds, asked bare: first .98 of books, .88 of films, .91 of songs with readers; .98, .96 and 1.00 by the
    choice fitted on titles, which therefore stays the default.
    """
    with Engine.open(folder, threads=2) as engine:
        for domain, rows in CATALOGUES.items():
            if domain in engine.domains.names():
                continue
            say(f"Indexing {domain} …")
            with Steps(quiet=quiet) as progress:
                report = engine.index(rows(), domain=domain, progress=progress)
            say(f"  {report.added:,} {domain} · {report.roles.describe()}")
    if understand:
        _understand(folder, say=say, quiet=quiet)


def _understand(folder: Path, *, say: Callable[[str], None], quiet: bool) -> None:
    """Train what understands requests for the catalogues and for a home, and let it go live, unless it is."""
    store, readers = Store.open(folder, create=False), folder / "readers"
    if set(store.live_parts(PART)) >= {f"{PART}{domain}" for domain in DOMAINS}:
        return
    say("Learning what requests for films, songs, books and a home are like …")
    with Steps(unit="", quiet=quiet) as progress:
        catalogues = {domain: rows() for domain, rows in CATALOGUES.items()}
        demo_readers(catalogues, readers, counts=COUNTS, progress=progress)
        train_reranker(readers / REQUESTS, readers, store=folder, progress=progress)
    say("  live: " + ", ".join(DOMAINS))


def demo_readers(
    catalogues: Mapping[str, Iterable[Mapping[str, Any]]],
    folder: Path,
    *,
    counts: Mapping[str, int] = COUNTS,
    seed: int = 0,
    processes: int | None = None,
    progress: Callable[[str, int], None] = lambda step, done: None,
) -> dict[str, Any] | None:
    """Train readers of films, songs, books and the home in `folder`, on requests made from the rows of the catalogues.

    Returns what `train_reader` says; None where readers of the same requests are there already, which are left as they are. The
    same rows and seed make the same readers, to the last bit. A stopped training begins again.
    """
    made = as_json_lines(requests(materials(catalogues), counts, seed=seed)).encode()
    if (folder / REQUESTS).exists() and (folder / REQUESTS).read_bytes() == made and _whole(folder):
        return None
    folder.mkdir(parents=True, exist_ok=True)
    (folder / REQUESTS).unlink(missing_ok=True)
    begun = folder / f".{REQUESTS.replace('.', '.begun.')}"
    begun.write_bytes(made)
    trained = train_reader(begun, folder, processes=processes, progress=progress)
    begun.rename(folder / REQUESTS)
    return trained


def _whole(folder: Path) -> bool:
    try:
        return Readers.open(folder).domains == DOMAINS
    except (NotFound, Corrupt):
        return False
