"""Build the demo's store: films, songs and books, from data that comes with installed packages and a list of our own; readers of
requests for them and for a home; and an agent that walks in that home."""

import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from segue.engine import Engine
from segue.errors import Corrupt, NotFound
from segue.live_agents import PART as ACTING
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

HOME = "home"
"""Has no catalogue: readers understand what it is told, and an agent walks in it."""

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


def understands(folder: Path) -> bool:
    """Whether readers of every domain of the demo are live in a store."""
    return set(Store.open(folder, create=False).live_parts(PART)) >= {f"{PART}{domain}" for domain in DOMAINS}


def understand(folder: Path, *, processes: int | None = None) -> None:
    """Train what understands requests for the catalogues and for a home, and let it go live, unless it is."""
    if understands(folder):
        return
    readers = folder / "readers"
    catalogues = {domain: rows() for domain, rows in CATALOGUES.items()}
    demo_readers(catalogues, readers, counts=COUNTS, processes=processes)
    train_reranker(readers / REQUESTS, readers, store=folder, processes=processes)


def understand_meanwhile(folder: Path, *, say: Callable[[str], None]) -> BaseProcess | None:
    """The same in a process of its own, on one core and after everything else, while the store is served: what serves it takes
    the readers up when they are live. None where they are. The process ends with this one; the next start begins again."""
    if understands(folder):
        return None
    say("Learning in the background what requests are like: in some minutes they are understood, without a restart.")
    process = get_context("spawn").Process(target=_understand, args=(folder, say), daemon=True)
    process.start()
    return process


def _understand(folder: Path, say: Callable[[str], None]) -> None:
    if hasattr(os, "nice"):
        os.nice(10)
    with suppress(KeyboardInterrupt):
        understand(folder, processes=1)
        say(f"Requests are understood now, for {', '.join(DOMAINS)}: readers and re-rankers are live.")


def acts(folder: Path) -> bool:
    """Whether an agent acts in the home of a store."""
    return f"{ACTING}{HOME}" in Store.open(folder, create=False).live_parts(ACTING)


def act_meanwhile(folder: Path, *, say: Callable[[str], None]) -> BaseProcess | None:
    """Train the agent of the home as `understand_meanwhile` does the readers, and let these go first. None where it acts."""
    if acts(folder):
        return None
    say('An agent learns in the background to walk in a house: soon "go to the kitchen and stop at the sink" is done.')
    process = get_context("spawn").Process(target=_act, args=(folder, say), daemon=True)
    process.start()
    return process


def _act(folder: Path, say: Callable[[str], None]) -> None:
    import torch  # noqa: PLC0415  who serves may never need it

    from segue.recipes.demo_home import act  # noqa: PLC0415

    if hasattr(os, "nice"):
        os.nice(15)
    torch.set_num_threads(1)
    with suppress(KeyboardInterrupt):
        act(folder)
        say("The agent is live: tell it where to go.")


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
