"""What one catalogue has to say about a request, in a few numbers: does it know the words, the title, the values?"""

import numpy as np
from numpy.typing import NDArray

from segue.retrieve.catalogue import Snapshot
from segue.retrieve.catalogue.terms import phrase
from segue.retrieve.query import Query

FEATURES = ("known", "in titles", "anywhere", "whole title", "its popularity", "one title", "values")


def evidence(query: Query, catalogue: Snapshot) -> NDArray[np.float64]:
    """float64 [7] in the order of `FEATURES`; every number is comparable between catalogues of different sizes."""
    if catalogue.domain not in query.known:
        query.known[catalogue.domain] = _evidence(query, catalogue)
    return query.known[catalogue.domain]


def _evidence(query: Query, catalogue: Snapshot) -> NDArray[np.float64]:
    text, words, size = catalogue.text, query.words, len(catalogue) + 1.0
    if not words:
        return np.zeros(len(FEATURES))
    in_title = np.array([text.frequency("title", word) for word in words], dtype=np.float64)
    anywhere = np.maximum(in_title, [text.frequency("body", word) for word in words])
    whole = text.frequency("whole", phrase(query.text))
    popularity = text.most_popular("whole", text.term("whole", phrase(query.text)), 1).scores.sum() if whole else 0.0
    readings = query.readings(catalogue)
    values = readings[0].probability * readings[0].explained if readings else 0.0
    return np.array(
        [
            (anywhere > 0).mean(),
            np.log((in_title + 0.5) / size).mean() / 10,
            np.log((anywhere + 0.5) / size).mean() / 10,
            float(whole > 0),
            popularity,
            float(whole > 0 or (in_title.all() and _one_title(catalogue, words))),
            values,
        ]
    )


def _one_title(catalogue: Snapshot, words: list[str]) -> bool:
    """Whether a single title holds all of the words."""
    return len(catalogue.text.search("all", catalogue.text.all_of(("title", word) for word in words), 1)) > 0
