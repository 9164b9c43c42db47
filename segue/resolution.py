"""Does what a hypothesis speaks of exist? Its slots, looked up in the domain's own catalogue: features for re-rankers.

Source: Wang and others, "Optimizing NLU Reranking Using Entity Resolution Signals in Multi-domain Dialog Systems" (NAACL 2021,
industry papers). Ours look at whole titles and whole values.
"""

from collections.abc import Mapping, Sequence

from segue.retrieve.catalogue import Snapshot
from segue.retrieve.catalogue.terms import phrase
from segue.understand.interpreter import Resolution

NAMES = (
    "share of slots in the catalogue",
    "a slot is a title",
    "popularity of that title",
    "a slot is a value",
    "a title that is none",
)
"""*In the catalogue*: the slot's text is the whole of a title or of a value of some column. *A title that is none*: a slot called
so is no title here; of other slots it may be usual that no catalogue holds them."""

_TITLE = "title"


def resolution(catalogues: Mapping[str, Snapshot]) -> Resolution:
    """Look slots up in these catalogues, by domain."""

    def resolve(domain: str, slots: Sequence[tuple[str, str]]) -> Sequence[float]:
        return looked_up(catalogues[domain], slots)

    return Resolution(NAMES, frozenset(catalogues), resolve)


def looked_up(catalogue: Snapshot, slots: Sequence[tuple[str, str]]) -> tuple[float, ...]:
    """What a catalogue knows of slots, each a name and a text, in the order of `NAMES`; of none, nothing."""
    found, title, popularity, value, none = 0, 0.0, 0.0, 0.0, 0.0
    for name, text in slots:
        whole = phrase(text)
        is_title = bool(whole) and catalogue.text.frequency("whole", whole) > 0
        is_value = bool(whole) and catalogue.text.frequency("value", whole) > 0
        found += is_title or is_value
        none = max(none, float(name == _TITLE and not is_title))
        if is_title:
            title = 1.0
            leading = catalogue.text.most_popular("whole", catalogue.text.term("whole", whole), 1).scores
            popularity = max(popularity, float(leading.sum()))
        if is_value:
            value = 1.0
    return found / max(1, len(slots)), title, popularity, value, none
