"""The nearest remembered query: slips are found, other requests never."""

import string
from collections.abc import Callable

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from segue.retrieve.catalogue.terms import words
from segue.retrieve.nearest import Queries, edits

TITLES = (
    "mary poppins",
    "toy story 2",
    "sinister",
    "rocky ii",
    "henry viii",
    "heat",
    "spider man",
    "star wars a new hope",
    "2001 a space odyssey",
    "東京物語",
    "the lord of the rings",
)


def remembered(*texts: str) -> Queries:
    queries = Queries()
    for text in texts:
        queries.add(text, text)
    return queries


def nearest(queries: Queries, text: str, known: Callable[[str], bool] | None = None) -> str | None:
    near = queries.near(text, known)
    return near[0][0] if near else None


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("mary popins", "mary poppins"),
        ("mray poppins", "mary poppins"),
        ("poppinns mary", "mary poppins"),
        ("toy stroy 2", "toy story 2"),
        ("toystory 2", "toy story 2"),
        ("sinster", "sinister"),
        ("sinisters", "sinister"),
        ("spiderman", "spider man"),
        ("lord of rings", "the lord of the rings"),
        ("star wars new hoep", "star wars a new hope"),
        ("2001 space odyssy", "2001 a space odyssey"),
        ("rocki ii", "rocky ii"),
    ],
)
def test_slips_are_found(typed: str, meant: str) -> None:
    assert nearest(remembered(*TITLES), typed) == meant


@pytest.mark.parametrize(
    "typed",
    [
        "sinister 2",
        "toy story 3",
        "toy story",
        "toy stroy 22",
        "rocky iii",
        "rocky",
        "henry xiii",
        "2010 a space odyssey",
        "2001",
        "mary poppins returns",
        "mary",
        "mary magdalene",
        "hope",
        "heap",
        "東京物言",
        "the",
        "12",
        "zzqx vwkj",
    ],
)
def test_other_requests_are_not(typed: str) -> None:
    assert nearest(remembered(*TITLES, "heap"), typed) in (None, typed)


def test_a_word_that_stands_in_a_catalogue_is_no_slip() -> None:
    queries = remembered("heat")
    assert nearest(queries, "heart") == "heat"
    assert nearest(queries, "heart", {"heat", "heart"}.__contains__) is None
    assert nearest(queries, "heatt", {"heat", "heart"}.__contains__) == "heat"


def test_a_misspelt_query_is_found_by_the_right_spelling() -> None:
    assert nearest(remembered("mary popins"), "mary poppins", {"mari", "poppin"}.__contains__) == "mary popins"


def test_the_same_words_are_the_most_similar() -> None:
    near = remembered("mary poppens", "mary poppins").near("mary poppins")
    assert [key for key, _ in near] == ["mary poppins"]
    assert near[0][1] == 1.0


WORDS = st.text(string.ascii_lowercase, min_size=4, max_size=10)


@settings(max_examples=80, deadline=None)
@given(
    texts=st.lists(st.lists(WORDS, min_size=1, max_size=3), min_size=1, max_size=15), asked=st.lists(WORDS, min_size=1)
)
def test_whatever_is_near_has_as_many_words_and_the_order_is_that_of_similarity(
    texts: list[list[str]], asked: list[str]
) -> None:
    queries = Queries()
    for place, text in enumerate(texts):
        queries.add(str(place), " ".join(text))
    near = queries.near(" ".join(asked))
    similarities = [similarity for _, similarity in near]
    assert similarities == sorted(similarities, reverse=True)
    assert all(0 < similarity <= 1 for similarity in similarities)
    assert near == queries.near(" ".join(asked))
    for key, _ in near:
        text = texts[int(key)]
        assert "".join(text) == "".join(asked) or len(set(text) - set(asked)) == len(set(asked) - set(text))


@settings(max_examples=80, deadline=None)
@given(text=st.lists(WORDS, min_size=2, max_size=4, unique=True), at=st.integers(0, 3), cut=st.integers(1, 8))
def test_a_letter_left_out_of_a_long_word_is_found_among_many(text: list[str], at: int, cut: int) -> None:
    slipped = text[at % len(text)]
    assume(len(slipped) >= 6 and cut < len(slipped) - 1)
    shorter = slipped[:cut] + slipped[cut + 1 :]
    typed = [word if word != slipped else shorter for word in text]
    assume(len(set(typed)) == len(text) and typed != text)
    assume(not set(shorter) <= set("ivxlcdm"))  # "cccci" is a number, and never a slip
    queries = Queries()
    for place, other in enumerate(["star wars", "heat", "psycho", "the birds"] * 3):
        queries.add(f"other {place}", other)
    queries.add("meant", " ".join(text))
    near = dict(queries.near(" ".join(typed), set(words(" ".join(text))).__contains__))
    assert "meant" in near


def test_a_query_is_found_among_very_common_trigrams() -> None:
    queries = remembered(
        *(f"station{chr(97 + place % 26)}{chr(97 + place // 26)} nation" for place in range(600)), "stationary ration"
    )
    assert nearest(queries, "stationery ration", lambda word: False) == "stationary ration"


@settings(max_examples=150, deadline=None)
@given(one=st.text("abc", max_size=5), other=st.text("abc", max_size=5))
def test_edits_against_a_search_of_all_ways(one: str, other: str) -> None:
    assert edits(one, other) == by_search(one, other)
    assert edits(one, other) == edits(other, one)


def by_search(one: str, other: str) -> int:
    """The same by recursion on prefixes, as the definition of optimal string alignment says."""
    if not one or not other:
        return len(one) + len(other)
    ways = [
        by_search(one[:-1], other) + 1,
        by_search(one, other[:-1]) + 1,
        by_search(one[:-1], other[:-1]) + (one[-1] != other[-1]),
    ]
    if len(one) > 1 and len(other) > 1 and one[-1] == other[-2] and one[-2] == other[-1]:
        ways.append(by_search(one[:-2], other[:-2]) + 1)
    return min(ways)
