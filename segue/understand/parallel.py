"""Train domains in several processes. They share nothing but the corpus, which each process is handed once."""

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context

from segue.understand.corpus import Corpus
from segue.understand.reader import Reader
from segue.understand.training import train

_corpus: Corpus
"""In a process of the pool: what all its domains are trained on."""


def train_domains(domains: Sequence[str], corpus: Corpus, *, processes: int = 1) -> Iterator[tuple[Reader, float]]:
    """Each domain's reader as it is done, and the seconds that it took. The readers are the same for any number of processes."""
    if processes == 1 or len(domains) == 1:
        for domain in domains:
            yield _timed(domain, corpus)
        return
    with ProcessPoolExecutor(
        min(processes, len(domains)), mp_context=get_context("spawn"), initializer=_hand_over, initargs=(corpus,)
    ) as pool:
        for done in as_completed([pool.submit(_train, domain) for domain in domains]):
            yield done.result()


def _hand_over(corpus: Corpus) -> None:
    global _corpus
    _corpus = corpus


def _train(domain: str) -> tuple[Reader, float]:
    return _timed(domain, _corpus)


def _timed(domain: str, corpus: Corpus) -> tuple[Reader, float]:
    started = time.perf_counter()
    return train(domain, corpus), time.perf_counter() - started
