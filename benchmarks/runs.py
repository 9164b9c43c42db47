"""Long benchmarks as many short runs: each a job that leaves a file. Stopped at any moment, they go on where they were.

Finished runs are also kept beside the result, `runs/NAME.jsonl` in --out, whenever a call ends or gathers: who has that file, and
no --work folder, goes on from there, so that seeds can be added on another day or another machine. After a change of method its
lines are to be deleted.
"""

import argparse
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any, TypeVar

from filelock import FileLock

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
    options.set_defaults(name=Path(work).name.removeprefix("segue-"))
    return options


def run_all(
    jobs: Sequence[Job],
    one_run: Callable[[Job, argparse.Namespace], tuple[dict[str, Any], str]],
    file: File[Job],
    chosen: argparse.Namespace,
) -> None:
    """Run the jobs that have left no file yet; `one_run` returns what is kept, and a line about it. --gather runs none."""
    _restore(jobs, file, chosen)
    left = [] if chosen.gather else [job for job in jobs if not file(job, chosen).exists()]
    work = partial(_run, one_run=one_run, file=file, chosen=chosen)
    with ExitStack() as stack:
        stack.callback(_keep, jobs, file, chosen)
        run: Callable[..., Iterator[str]] = map  # here, where one process is enough
        if left and chosen.processes > 1:
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
    _write(kept, json.dumps(result))
    return f"{kept.stem}: {line}"


def _restore(jobs: Iterable[Job], file: File[Job], chosen: argparse.Namespace) -> None:
    runs = _read(_runs_file(chosen))
    for place in (file(job, chosen) for job in jobs):
        if not place.exists() and (run := runs.get(_name(place, chosen))) is not None:
            _write(place, run)


def _keep(jobs: Iterable[Job], file: File[Job], chosen: argparse.Namespace) -> None:
    place = _runs_file(chosen)
    place.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(place.with_suffix(".lock")):
        done = [one for job in jobs if (one := file(job, chosen)).exists()]
        runs = _read(place) | {_name(one, chosen): one.read_text() for one in done}
        _write(place, "".join(f'{{"run": {json.dumps(name)}, "kept": {run}}}\n' for name, run in sorted(runs.items())))


def _read(place: Path) -> dict[str, str]:
    """Name of a run → what it kept, as JSON."""
    if not place.exists():
        return {}
    lines = [json.loads(line) for line in place.read_text().splitlines()]
    return {line["run"]: json.dumps(line["kept"]) for line in lines}


def _runs_file(chosen: argparse.Namespace) -> Path:
    return Path(chosen.out) / "runs" / f"{chosen.name}.jsonl"


def _name(place: Path, chosen: argparse.Namespace) -> str:
    return place.relative_to(chosen.work).as_posix()


def _write(place: Path, text: str) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    temporary = place.with_suffix(".new")
    temporary.write_text(text)
    temporary.replace(place)
