"""Between domains: is it clear which is meant, is it to be asked back, or is it nobody's?"""

from collections.abc import Sequence

import numpy as np

from segue.records import Alternative, Decision, Hypothesis, Question, Result
from segue.understand import merging
from segue.understand.merging import Merged, decide

_SAID: dict[int, Decision] = {
    merging.Decision.CLEAR: "clear",
    merging.Decision.ASK: "ask",
    merging.Decision.NOBODYS: "nobody's",
}


def decided(hypotheses: Sequence[Hypothesis], *, held: bool = False) -> Decision:
    """Of one hypothesis a domain, the likeliest first (see `segue.understand.merging.decide`).

    `held` says that some catalogue has a title that is all of what was asked: that is never nobody's, however unsure the readers.
    """
    count = len(hypotheses)
    confidence = np.array([one.confidence for one in hypotheses], dtype=np.float64)
    domains = tuple(one.domain for one in hypotheses)
    none = np.zeros(count, dtype=np.int64)
    merged = Merged(domains, np.arange(count), none, confidence, np.array([0, count]))
    return _SAID[int((decide(merged, least=0) if held else decide(merged))[0])]


def asked_back(hypotheses: Sequence[Hypothesis], results: Sequence[Result]) -> Question:
    """The question between the two likeliest domains."""
    titles: dict[str, str] = {}
    for result in results:
        titles.setdefault(result.domain, result.title)
    choices = tuple(Alternative(one, f"the {singular(one.domain)}", titles.get(one.domain)) for one in hypotheses[:2])
    return Question(f"Did you mean {' or '.join(one.label for one in choices)}?", choices)


def singular(domain: str) -> str:
    """One thing of a domain, from its name.

    >>> singular("films"), singular("short_stories"), singular("news"), singular("music")
    ('film', 'short story', 'news', 'music')
    """
    name = domain.replace("_", " ").replace("-", " ")
    if name.endswith("ies") and name not in ("series", "movies"):
        return name.removesuffix("ies") + "y"
    return name if name.endswith(("ss", "news", "series")) else name.removesuffix("s")
