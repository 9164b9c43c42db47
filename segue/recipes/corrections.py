"""Requests that went to the wrong domain, as the log tells: shown for one domain first, and taken in another.

Of each text (but for case and white space) all answers are taken together. Where the domain in which people took most was at
least once not the one that stood first, the text becomes an example: meant for that domain, and for no other. Asking again with
`domain=`, as who picks a choice of a question does, counts like any other answer. What is right within the domain nobody has
said: the most confident hypothesis of its own reader is taken for it.

An example counts as much as one labelled request. There is one a text, newest first, and of all requests that are learned from at
most one in five. A text that the labelled file has is left out: it says more. Nothing here has been seen by a reader in training.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field

from segue.events import Event, weighed

_SHARE = 0.2
"""Of all requests that are learned from."""


@dataclass(frozen=True, slots=True)
class Correction:
    """A request that was meant for `domain`, said in `context`."""

    text: str
    domain: str
    context: Mapping[str, str]


@dataclass(slots=True)
class _Asked:
    """All answers to one text."""

    text: str = ""
    context: Mapping[str, str] = field(default_factory=dict)
    time: float = 0.0
    first: set[str] = field(default_factory=set)
    taken: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))


def corrections(
    events: Callable[[], Iterable[Event]], actions: Mapping[str, float], *, known: Set[str] = frozenset(), size: int
) -> list[Correction]:
    """The corrections in a log, which `events` gives from its start; `known` are texts to leave out, as `plain` writes them, and
    `size` is how many labelled requests stand beside them."""
    asked: dict[str, _Asked] = defaultdict(_Asked)
    texts: dict[str, str] = {}
    for event in events():
        body = event.body
        if event.kind == "answer":
            key = texts[event.id] = plain(body["request"]["text"])
            one = asked[key]
            one.text, one.context, one.time = body["request"]["text"], body["request"]["context"], event.time
            if body["request"]["domain"] is None and body["hypotheses"]:
                one.first.add(body["hypotheses"][0]["domain"])
        elif event.kind == "feedback" and body["answer"] in texts:
            asked[texts[body["answer"]]].taken[body["domain"]] += weighed(body, actions)
    found = []
    for key, one in asked.items():
        domain = max(one.taken, key=lambda name: (one.taken[name], name), default="")
        if key not in known and domain and one.taken[domain] > 0 and one.first - {domain}:
            found.append((-one.time, Correction(one.text, domain, one.context)))
    found.sort(key=lambda pair: (pair[0], pair[1].text))
    return [one for _, one in found[: most(size)]]


def most(size: int) -> int:
    """How many corrections may stand beside `size` labelled requests.

    >>> most(80)
    20
    """
    return int(_SHARE / (1 - _SHARE) * size)


def plain(text: str) -> str:
    """A text without what two people may write differently.

    >>> plain(" Mary  Poppins")
    'mary poppins'
    """
    return " ".join(text.lower().split())


def known_texts(texts: Sequence[str]) -> frozenset[str]:
    """Texts as `corrections` leaves them out."""
    return frozenset(map(plain, texts))
