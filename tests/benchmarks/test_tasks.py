"""The algorithmic tasks, each checked against its definition, written out text by text."""

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
import torch

from benchmarks.tasks import DEVELOPMENT, TASKS

Text = list[int]


def _stack(text: Text) -> Text:
    stack: Text = []
    for symbol in text:
        stack = stack[:-1] if symbol == 2 else [*stack, {0: 0, 1: 1, 3: 0, 4: 1}[symbol]]
    return stack[::-1] + [2] * (len(text) + 1 - len(stack))


def _missing(text: Text) -> Text:
    half = len(text) // 2
    pairs = [{text[place], text[place + half]} - {16} for place in range(half)]
    assert all(len(pair) == 1 for pair in pairs)
    assert text.count(16) == 1
    place = text.index(16) % half
    return list(pairs[place])


def _later_mark(text: Text) -> Text:
    assert text.count(2) == 2
    _, later = (place for place, symbol in enumerate(text) if symbol == 2)
    return [text[later + 1]]


def _navigated(text: Text) -> Text:
    at = 0
    for symbol in text:
        at = (at + (0, 1, -1)[symbol]) % 5
    return [at]


DEFINITIONS: dict[str, Callable[[Text], Text]] = {
    "even pairs": lambda text: [int(sum(one != other for one, other in pairwise(text)) % 2 == 0)],
    "cycle navigation": _navigated,
    "reverse string": lambda text: list(reversed(text)),
    "stack manipulation": _stack,
    "duplicate string": lambda text: text * 2,
    "missing duplicate": _missing,
    "odds first": lambda text: [*text[1::2], *text[::2]],
    "bucket sort": sorted,
    "parity check": lambda text: [text.count(1) % 2],
    "copy string": list,
    "later mark": _later_mark,
}


@pytest.mark.parametrize("name", [*TASKS, *DEVELOPMENT])
def test_the_answer_is_as_defined(name: str) -> None:
    task = {**TASKS, **DEVELOPMENT}[name]
    random = np.random.default_rng(0)
    for length in (1, 2, 3, 4, 11, 40):
        ids, answers = task.batch(random, 20, length)
        assert torch.from_numpy(answers).shape == answers.shape  # it takes no array that runs backwards
        assert ids.shape[1] - answers.shape[1] in range(length, max(length, task.shortest) + task.multiple)
        for text, answer in zip(ids.tolist(), answers.tolist(), strict=True):
            said, placeholders = text[: -len(answer)], text[-len(answer) :]
            assert answer == DEFINITIONS[name](said)
            assert placeholders == [task.symbols] * len(answer)
            assert max(said) < task.symbols
            assert max(answer) < task.answers


def test_the_same_seed_draws_the_same_texts() -> None:
    first, second = (TASKS["bucket sort"].batch(np.random.default_rng(3), 4, 9) for _ in range(2))
    assert all((one == other).all() for one, other in zip(first, second, strict=True))
