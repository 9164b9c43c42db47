"""The few named errors. Each says what happened, what was expected, and how to fix it."""


class SegueError(Exception):
    """Base of every error that a user of Segue can meet.

    >>> print(InvalidInput("limit is 0.", expected="a whole number from 1 to 1000", fix="pass limit=10"))
    limit is 0. Expected: a whole number from 1 to 1000. To fix it: pass limit=10.
    """

    def __init__(self, what: str, *, expected: str = "", fix: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.expected = expected
        self.fix = fix

    def __str__(self) -> str:
        parts = [self.what]
        if self.expected:
            parts.append(f"Expected: {self.expected.rstrip('.')}.")
        if self.fix:
            parts.append(f"To fix it: {self.fix.rstrip('.')}.")
        return " ".join(parts)


class InvalidInput(SegueError):
    """What was passed cannot be used: a wrong value, type, size or format."""


class NotFound(SegueError):
    """What was named does not exist: a store, a domain, an item, an answer."""


class Corrupt(SegueError):
    """What is on disk is not what was written there: a changed artifact, a damaged index."""


class Unavailable(SegueError):
    """What was asked is right but cannot be done now: the disk is full, the store is locked, a part is not installed."""
