"""The words around the thing: what to do, politeness, and hints at a domain."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segue.understand.language import cue_words, listen


@pytest.mark.parametrize(
    ("text", "intent", "rest"),
    [
        ("play mary poppins", "play", "mary poppins"),
        ("Could you play Mary Poppins please?", "play", "Mary Poppins"),
        ("hey can you put on Abbey Road, thanks!", "play", "Abbey Road"),
        ("I want to watch the movie Psycho", "watch", "movie Psycho"),
        ("read 1984", "read", "1984"),
        ("show me comedies from 1995", "find", "comedies from 1995"),
        ("I'd like to hear some songs by Queen", "play", "songs by Queen"),
        ("search for love", "find", "love"),
        ("look up the birds", "find", "the birds"),
        ("mary poppins", "find", "mary poppins"),
        ("  PLAY   Emma  ", "play", "Emma"),
        ("what is love?", "find", "love"),
        ("Play Misty for Me", "play", "Misty"),
        ("please", "find", "please"),
        ("play", "find", "play"),
        ("playground", "find", "playground"),
        ("the player", "find", "the player"),
        ("get me\nemma", "find", "emma"),
    ],
)
def test_requests_taken_apart(text: str, intent: str, rest: str) -> None:
    spoken = listen(text)
    assert (spoken.intent, spoken.rest) == (intent, rest)


def test_cues_are_the_words() -> None:
    assert listen("Play the film Amélie 2!").cues == {"play", "the", "film", "amélie"}


@settings(max_examples=200, deadline=None)
@given(
    text=st.one_of(
        st.text(st.characters(exclude_categories=["Cs", "Cc", "Z"], include_characters=" \t\n"), max_size=60),
        st.lists(
            st.sampled_from(["play", "please", "me", "?", "...", "for me", "can you", "emma", "\n", ",", "!"]),
            max_size=7,
        ).map(" ".join),
    )
)
def test_something_is_always_left_to_search_for(text: str) -> None:
    spoken = listen(text)
    assert spoken == listen(text)
    assert spoken.intent in {"play", "watch", "read", "find"}
    if text.strip():
        assert spoken.rest.strip()
    assert spoken.rest == spoken.rest.strip()


def test_cue_words() -> None:
    assert {"film", "movie", "watch"} <= cue_words("films")
    assert cue_words("film") >= {"films", "movie"}
    assert {"read", "novel"} <= cue_words("books")
    assert cue_words("recipes") == {"recipe", "recipes", "recipess"}
    assert "play" in cue_words("songs")
    assert not cue_words("films") & cue_words("books")
