"""A request is checked before anything else happens."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segue.asking import LONGEST_TEXT, MOST_RESULTS, checked_id, make_request, new_id
from segue.errors import InvalidInput


def test_a_request_is_kept_as_it_was_asked() -> None:
    request = make_request(
        "  Mary\0Poppins \n", context={"device": "tv"}, domain="films", limit=3, seed=2**63 - 1, id="a.b_c:d-1"
    )
    assert request.text == "Mary Poppins"
    assert dict(request.context) == {"device": "tv"}
    assert (request.domain, request.limit, request.seed, request.id) == ("films", 3, 2**63 - 1, "a.b_c:d-1")
    assert request.time > 1_700_000_000


def test_what_is_left_out() -> None:
    one, other = make_request("a"), make_request("a")
    assert (one.limit, one.seed, one.domain, dict(one.context)) == (10, 0, None, {})
    assert one.id != other.id
    assert len(one.id) == len(new_id()) == 16


def test_the_context_is_copied() -> None:
    context = {"device": "tv"}
    request = make_request("a", context=context)
    context["device"] = "phone"
    assert request.context == {"device": "tv"}


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"text": ""}, "empty"),
    ({"text": " \0\n"}, "empty"),
    ({"text": None}, "NoneType"),
    ({"text": b"mary"}, "bytes"),
    ({"text": "x" * (LONGEST_TEXT + 1)}, "1,001 characters"),
    ({"text": "half \ud83c"}, "half of a character"),
    ({"limit": 0}, "limit is 0"),
    ({"limit": MOST_RESULTS + 1}, "limit is 101"),
    ({"limit": True}, "limit is True"),
    ({"limit": 2.0}, "limit is 2.0"),
    ({"limit": "3"}, "limit is '3'"),
    ({"seed": -1}, "seed is -1"),
    ({"seed": 2**63}, "seed is"),
    ({"seed": 0.5}, "seed is 0.5"),
    ({"domain": 3}, "domain is '3'"),
    ({"domain": "x" * 201}, "domain is"),
    ({"id": ""}, "id '' cannot"),
    ({"id": "a b"}, "id 'a b' cannot"),
    ({"id": "x" * 101}, "cannot be used"),
    ({"id": "a\n"}, "cannot be used"),
    ({"id": 3}, "id '3' cannot"),
    ({"context": "tv"}, "context is a str"),
    ({"context": {"device": 1}}, "context holds '1'"),
    ({"context": {1: "tv"}}, "context holds '1'"),
    ({"context": {"a": "x" * 201}}, "at most 200"),
    ({"context": {"a": "\ud83c"}}, "half of a character"),
    ({"context": {str(place): "" for place in range(33)}}, "33 entries"),
]


@pytest.mark.parametrize(("wrong", "why"), WRONG)
def test_what_cannot_be_asked_is_said(wrong: dict[str, Any], why: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        make_request(**{"text": "mary", **wrong})
    assert why in str(caught.value)
    assert "Expected: " in str(caught.value)
    str(caught.value).encode()


@settings(max_examples=150, deadline=None)
@given(text=st.text(max_size=80), id=st.none() | st.text(max_size=8), limit=st.integers(-3, 200), seed=st.integers())
def test_any_request_is_good_or_refused(text: str, id: str | None, limit: int, seed: int) -> None:
    try:
        request = make_request(text, id=id, limit=limit, seed=seed)
    except InvalidInput:
        return
    assert request.text == request.text.strip() != ""
    assert "\0" not in request.text
    assert checked_id(request.id) == request.id
    request.text.encode()
