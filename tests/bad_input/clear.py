"""What a clear error is."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from segue.errors import InvalidInput, NotFound, SegueError

LONGEST = 1_500
"""Characters of a message: bad input is quoted, not repeated."""


def assert_clear(message: str, *words: str) -> None:
    """The message names each of the `words`, reads as a sentence, and is short enough to read."""
    for word in words:
        assert word.lower() in message.lower(), f"{word!r} is not in: {message}"
    assert len(message) < LONGEST
    assert message.rstrip().endswith(".")
    assert "Traceback" not in message


@contextmanager
def refused(kind: type[SegueError], *words: str) -> Iterator[None]:
    """What is inside must raise exactly `kind`; `InvalidInput` and `NotFound` must also say what helps."""
    with pytest.raises(SegueError) as caught:
        yield
    error = caught.value
    assert type(error) is kind, repr(error)
    assert_clear(str(error), *words)
    if isinstance(error, InvalidInput | NotFound):
        assert error.expected or error.fix, str(error)
