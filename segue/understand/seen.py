"""What a domain's own training utterances say about a hypothesis: are such slots usual for the intent, are their values known."""

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from segue.understand.hypotheses import Utterance

NAMES = ("log P(slot kinds | intent)", "share of values seen", "margin", "slots", "share of words in slots")
"""The columns of `Hypotheses.local`. *margin* is how much the logarithm of the product of probabilities is above that of the
domain's next hypothesis, at most `MARGIN`."""

MARGIN = 10.0


@dataclass(frozen=True, slots=True)
class Seen:
    """Counts over training utterances: `intents` how often each was meant; `kinds` by intent, how often exactly these kinds of
    slot came with it (sorted, with tabs between); `names` by intent, how often a slot of this kind was there; `values` by kind,
    what it held, in lower case. `without`: P(no slot | intent) if kinds came independently."""

    intents: Mapping[str, int]
    kinds: Mapping[str, Mapping[str, int]]
    names: Mapping[str, Mapping[str, int]]
    values: Mapping[str, frozenset[str]]
    without: Mapping[str, float] = field(init=False)

    def __post_init__(self) -> None:
        without = {
            intent: math.prod(1 - (count + 0.5) / (total + 1) for count in self.names[intent].values())
            for intent, total in self.intents.items()
        }
        object.__setattr__(self, "without", without)

    def log_kinds(self, intent: str, names: Sequence[str]) -> float:
        """log P(these kinds of slot | intent): counted, smoothed by what it would be if kinds came independently.

        The smoothing weighs as much as one utterance.
        """
        total, here, there = self.intents[intent], self.names[intent], set(names)
        alone = self.without[intent]
        for name in there:
            count = here.get(name, 0) + 0.5
            alone *= count / (total + 1 - count) if name in here else count / (total + 1)
        return math.log((self.kinds[intent].get(_key(there), 0) + alone) / (total + 1))

    def to_body(self) -> dict[str, Any]:
        """As JSON can hold it."""
        return {
            "intents": dict(self.intents),
            "kinds": {intent: dict(counts) for intent, counts in self.kinds.items()},
            "names": {intent: dict(counts) for intent, counts in self.names.items()},
            "values": {name: sorted(values) for name, values in self.values.items()},
        }

    @classmethod
    def from_body(cls, body: Mapping[str, Any]) -> "Seen":
        """Back from `to_body`."""
        values = {name: frozenset(listed) for name, listed in body["values"].items()}
        return cls(body["intents"], body["kinds"], body["names"], values)


def see(utterances: Sequence[Utterance]) -> Seen:
    """Count over the utterances of one domain.

    >>> from segue.understand.hypotheses import Interpretation, Slot
    >>> said = Utterance("wake me at 7", "alarm", Interpretation("set", (Slot("time", 11, 12),)))
    >>> seen = see([said, said])
    >>> seen.log_kinds("set", ["time"]) > seen.log_kinds("set", []), sorted(seen.values["time"])
    (True, ['7'])
    """
    intents: Counter[str] = Counter()
    kinds: defaultdict[str, Counter[str]] = defaultdict(Counter)
    names: defaultdict[str, Counter[str]] = defaultdict(Counter)
    values: defaultdict[str, set[str]] = defaultdict(set)
    for one in utterances:
        meaning = one.meaning
        there = {slot.name for slot in meaning.slots}
        intents[meaning.intent] += 1
        kinds[meaning.intent][_key(there)] += 1
        names[meaning.intent].update(there)
        for slot in meaning.slots:
            values[slot.name].add(one.text[slot.start : slot.end].lower())
    return Seen(
        dict(intents),
        {intent: dict(kinds[intent]) for intent in intents},
        {intent: dict(names[intent]) for intent in intents},
        {name: frozenset(found) for name, found in values.items()},
    )


def _key(names: set[str]) -> str:
    return "\t".join(sorted(names))
