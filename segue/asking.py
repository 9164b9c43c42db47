"""A request as it comes from outside: checked, or refused with a clear error."""

import re
import secrets
import time
from collections.abc import Mapping

from segue.errors import InvalidInput
from segue.records import Request

LONGEST_TEXT = 1_000
"""Characters of a request's text."""

MOST_RESULTS = 100
_MOST_CONTEXT = 32
_LONGEST_VALUE = 200
_ID = re.compile(r"[A-Za-z0-9._:-]{1,100}")


def make_request(
    text: str,
    *,
    context: Mapping[str, str] | None = None,
    domain: str | None = None,
    limit: int = 10,
    seed: int = 0,
    id: str | None = None,
) -> Request:
    """Raises `InvalidInput` for anything that cannot be asked."""
    if not isinstance(limit, int) or isinstance(limit, bool) or not 1 <= limit <= MOST_RESULTS:
        raise InvalidInput(
            f"limit is {limit!r}.", expected=f"a whole number from 1 to {MOST_RESULTS}", fix="pass limit=10"
        )
    if not isinstance(seed, int) or isinstance(seed, bool) or not 0 <= seed < 2**63:
        raise InvalidInput(f"seed is {seed!r}.", expected="a whole number from 0 up", fix="pass seed=0")
    if domain is not None and not (isinstance(domain, str) and len(domain) <= _LONGEST_VALUE):
        raise InvalidInput(
            f"The domain is {str(domain)[:50]!r}.", expected="the name of a domain, or None for all", fix="leave it out"
        )
    return Request(
        id=new_id() if id is None else checked_id(id),
        text=_checked_text(text),
        context=_checked_context(context or {}),
        domain=domain,
        limit=limit,
        seed=seed,
        time=time.time(),
    )


def new_id() -> str:
    """16 hexadecimal digits that nobody can guess."""
    return secrets.token_hex(8)


def checked_id(id: str) -> str:
    if not isinstance(id, str) or not _ID.fullmatch(id):
        raise InvalidInput(
            f"The id {str(id)[:50]!r} cannot be used.", expected="1 to 100 of letters, digits and . _ : -"
        )
    return id


def _checked_text(text: str) -> str:
    if not isinstance(text, str):
        raise InvalidInput(
            f"The text is a {type(text).__name__}.", expected="a string", fix='ask something like "mary poppins"'
        )
    if len(text) > LONGEST_TEXT:
        raise InvalidInput(
            f"The text has {len(text):,} characters.", expected=f"at most {LONGEST_TEXT:,}", fix="ask in fewer words"
        )
    _refuse_half_characters(text, "The text")
    kept = text.replace("\0", " ").strip()
    if not kept:
        raise InvalidInput("The text is empty.", expected="a few words", fix='ask something like "mary poppins"')
    return kept


def _checked_context(context: Mapping[str, str]) -> dict[str, str]:
    if not isinstance(context, Mapping):
        raise InvalidInput(f"The context is a {type(context).__name__}.", expected='pairs such as {"device": "tv"}')
    if len(context) > _MOST_CONTEXT:
        raise InvalidInput(f"The context has {len(context)} entries.", expected=f"at most {_MOST_CONTEXT}")
    for key, value in context.items():
        for part in (key, value):
            if not isinstance(part, str) or len(part) > _LONGEST_VALUE:
                raise InvalidInput(
                    f"The context holds {str(part)[:50]!r}.", expected=f"strings of at most {_LONGEST_VALUE} characters"
                )
            _refuse_half_characters(part, "The context")
    return dict(context)


def _refuse_half_characters(text: str, what: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InvalidInput(
            f"{what} holds half of a character (a lone surrogate).", expected="whole Unicode text"
        ) from error
