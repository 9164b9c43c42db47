"""Labelled requests for films, books and a home, made by hand."""

from segue.understand.hypotheses import Interpretation, Slot, Utterance

TITLES = {
    "films": (
        "psycho",
        "the birds",
        "love story",
        "love actually",
        "some like it hot",
        "the apartment",
        "jaws",
        "heat",
    ),
    "books": (
        "love in the time of cholera",
        "the shining",
        "emma",
        "dune",
        "ulysses",
        "beloved",
        "walden",
        "persuasion",
    ),
}
BOTH = ("mary poppins", "dracula", "carrie", "rebecca", "misery", "jane eyre", "little women", "great expectations")
_ASKED = {"films": "watch", "books": "read"}
_ROOMS = ("kitchen", "bedroom", "hall", "garage", "office", "cellar", "attic", "bathroom")


def _said(domain: str, intent: str, before: str, name: str, words: str, after: str = "") -> Utterance:
    text = f"{before}{words}{after}"
    return Utterance(text, domain, Interpretation(intent, (Slot(name, len(before), len(before) + len(words)),)))


UTTERANCES = [
    *(
        _said("films", "watch", how, "title", title, end)
        for title in TITLES["films"]
        for how, end in (("watch ", ""), ("the movie ", ""), ("show me the film ", ""), ("", ""), ("", " on the tv"))
    ),
    *(
        _said("books", "read", how, "title", title, end)
        for title in TITLES["books"]
        for how, end in (("read ", ""), ("the novel ", ""), ("open the book ", ""), ("", ""), ("", " on my reader"))
    ),
    *(_said(domain, intent, "", "title", title) for domain, intent in _ASKED.items() for title in BOTH),
    *(
        _said("home", "switch_on", how, "room", room, end)
        for room in _ROOMS
        for how, end in (
            ("turn on the lights in the ", ""),
            ("switch the ", " lamp on"),
            ("more light in the ", " please"),
        )
    ),
]
"""Films and books have titles of the store's catalogues, and some that both have, alike; home has no catalogue."""
