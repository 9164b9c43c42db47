"""The words around the thing: "can you play … please" says what to do, "… movie" says which domain, neither is searched for."""

import re
from dataclasses import dataclass
from string import whitespace

_POLITE = (
    "please|hey|hi|hello|ok|okay|can you|could you|would you|will you|i want to|i would like to|i'd like to|i wanna|let me"
    "|let's|help me"
)
_ASKS = {
    "play": "play|put on|start|queue|listen to|hear",
    "watch": "watch|stream|see",
    "read": "read|open",
    "find": "find|search for|search|look for|look up|show|get|give|i need|i want|where is|what is",
}
_VERBS = "|".join(f"(?P<{intent}>{verbs})" for intent, verbs in _ASKS.items())
_KIND = r"(?:(?:the|a|some)\s+(?=(?:film|movie|song|book)s?\b))?"
_ASK = re.compile(
    rf"^\s*(?:(?:{_POLITE})\s+)*(?:{_VERBS})\s+(?:me\s+|us\s+)?{_KIND}(?P<rest>\S.*)$", re.IGNORECASE | re.DOTALL
)
_ENDING = re.compile(r"[\s,]+(?:please|thanks|thank you|for me)[.!?]*\s*$", re.IGNORECASE)

_CUES = (
    frozenset(
        "film films movie movies cinema video videos watch stream dvd imdb netflix starring director actor".split()
    ),
    frozenset("song songs music track tracks album albums tune play listen hear singer band lyrics artist".split()),
    frozenset("book books novel novels read author ebook paperback audiobook written story stories".split()),
    frozenset("home house light lights lamp heating thermostat door switch turn".split()),
)


@dataclass(frozen=True, slots=True)
class Spoken:
    """A request taken apart: the `intent` of its verb ("find" when it has none) and the `rest`, what it is about.

    `cues` are the lower-case words that may point to a domain.
    """

    intent: str
    rest: str
    cues: frozenset[str]


def listen(text: str) -> Spoken:
    """Take a request apart.

    >>> spoken = listen("Could you play Mary Poppins please?")
    >>> spoken.intent, spoken.rest
    ('play', 'Mary Poppins')
    >>> listen("mary poppins").intent
    'find'
    """
    rest = _ENDING.sub("", text).strip() or text.strip()
    found = _ASK.match(rest)
    intent = "find"
    if found:
        intent = next(name for name in _ASKS if found[name])
        rest = found["rest"]
    return Spoken(
        intent, rest.strip("?!." + whitespace) or text.strip(), frozenset(re.findall(r"[^\W\d_]+", text.lower()))
    )


def cue_words(domain: str) -> frozenset[str]:
    """The words that point to a domain: its own name in singular and plural, and their relatives when the name is a common one.

    >>> "watch" in cue_words("films"), "recipe" in cue_words("recipes")
    (True, True)
    """
    name = domain.lower()
    own = {name, name.removesuffix("s"), name + "s"}
    return frozenset(own.union(*(cues for cues in _CUES if cues & own)))
