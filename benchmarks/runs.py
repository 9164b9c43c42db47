"""Long benchmarks as many short runs: each a job that leaves a file. Stopped at any moment, they go on where they were."""

import argparse
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any, TypeVar

from benchmarks.record import DATA, RESULTS

Job = TypeVar("Job", bound=tuple[Any, ...])
File = Callable[[Job, argparse.Namespace], Path]
"""Where the run of a job is kept."""


def arguments(about: str | None, *, data: str | None, collections: Sequence[str], work: str) -> argparse.ArgumentParser:
    """The options that all of them have; `data` says what --data holds, None for one that needs none; `collections` are those
    to choose from, if any; `work` is the default of --work."""
    options = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    if data is not None:
        options.add_argument("--data", type=Path, default=DATA / "retrieve", help=f"folder that holds {data}")
    if collections:
        options.add_argument("--collections", nargs="+", default=list(collections), choices=list(collections))
    options.add_argument("--seeds", type=int, default=5)
    options.add_argument("--processes", type=int, default=2)
    options.add_argument("--work", type=Path, default=Path(work), help="indexes, lists and finished runs")
    options.add_argument("--out", type=Path, default=RESULTS, help="folder for the result")
    options.add_argument("--gather", action="store_true", help="only gather the runs that are finished")
    return options


def run_all(
    jobs: Sequence[Job],
    one_run: Callable[[Job, argparse.Namespace], tuple[dict[str, Any], str]],
    file: File[Job],
    chosen: argparse.Namespace,
) -> None:
    """Run the jobs that have left no file yet; `one_run` returns what is kept, and a line about it. --gather runs none."""
    left = [] if chosen.gather else [job for job in jobs if not file(job, chosen).exists()]
    if not left:
        return
    work = partial(_run, one_run=one_run, file=file, chosen=chosen)
    with ExitStack() as stack:
        run: Callable[..., Iterator[str]] = map  # here, where one process is enough
        if chosen.processes > 1:
            run = stack.enter_context(ProcessPoolExecutor(chosen.processes, mp_context=get_context("spawn"))).map
        for number, line in enumerate(run(work, left), 1):
            print(f"{number} of {len(left)}: {line}", flush=True)


def finished(jobs: Iterable[Job], file: File[Job], chosen: argparse.Namespace) -> Iterator[tuple[Job, dict[str, Any]]]:
    """Each job that is done, and what its run kept."""
    for job in jobs:
        if (kept := file(job, chosen)).exists():
            yield job, json.loads(kept.read_text())


def _run(
    job: Job,
    one_run: Callable[[Job, argparse.Namespace], tuple[dict[str, Any], str]],
    file: File[Job],
    chosen: argparse.Namespace,
) -> str:
    result, line = one_run(job, chosen)
    kept = file(job, chosen)
    kept.parent.mkdir(parents=True, exist_ok=True)
    temporary = kept.with_suffix(".new")
    temporary.write_text(json.dumps(result))
    temporary.replace(kept)
    return f"{kept.stem}: {line}"
