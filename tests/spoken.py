"""Sixty labelled requests of three domains, made by hand: one has slots of three kinds, one a single intent, one no slot."""

import json
from itertools import product
from pathlib import Path

from segue.understand.hypotheses import Interpretation, Slot, Utterance

_SONGS, _ARTISTS = ("help", "purple rain", "yesterday", "hey jude"), ("abba", "prince", "the beatles", "queen")
_PLACES = ("paris", "new york", "rome", "oslo")


def _said(domain: str, intent: str, *pieces: str | tuple[str, str]) -> Utterance:
    text, slots = "", []
    for piece in pieces:
        text += " " if text else ""
        if isinstance(piece, tuple):
            slots.append(Slot(piece[0], len(text), len(text) + len(piece[1])))
        text += piece if isinstance(piece, str) else piece[1]
    return Utterance(text, domain, Interpretation(intent, tuple(slots)))


UTTERANCES: list[Utterance] = [
    *(
        _said("music", "play", verb, ("song", song), "by", ("artist", artist))
        for verb, (song, artist) in product(("play", "put on"), zip(_SONGS, _ARTISTS, strict=True))
    ),
    *(_said("music", "play", "i want to hear", ("artist", artist)) for artist in _ARTISTS),
    *(_said("music", "who", "who sings", ("song", song)) for song in _SONGS),
    *(_said("music", "louder", f"turn {what} up a bit") for what in ("it", "this", "the music", "the sound")),
    *(
        _said("weather", "forecast", how, ("place", place), ("date", date))
        for how, (place, date) in product(
            ("what is the weather in", "will it rain in", "is it cold in"),
            zip(_PLACES, ("today", "tomorrow", "on monday", "tonight"), strict=True),
        )
    ),
    *(_said("weather", "forecast", f"do i need {what}") for what in ("an umbrella", "a coat", "boots", "sun cream")),
    *(
        _said("chat", intent, text)
        for intent, texts in {
            "greet": (
                "hello",
                "good morning",
                "hi there",
                "hello my friend",
                "hey you",
                "good evening",
                "hi again",
                "hello you",
            ),
            "thank": (
                "thank you",
                "thanks a lot",
                "many thanks",
                "great thanks",
                "thank you so much",
                "thanks",
                "cheers",
                "ta",
            ),
            "joke": (
                "tell me a joke",
                "make me laugh",
                "a joke please",
                "say something funny",
                "be funny",
                "another joke",
            ),
        }.items()
        for text in texts
    ),
]


def write(file: Path, utterances: list[Utterance] = UTTERANCES) -> Path:
    """As JSON Lines."""
    rows = [
        {
            "text": one.text,
            "domain": one.domain,
            "intent": one.meaning.intent,
            "slots": [{"name": slot.name, "start": slot.start, "end": slot.end} for slot in one.meaning.slots],
        }
        for one in utterances
    ]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file
