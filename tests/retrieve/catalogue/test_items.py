"""The rows of a domain: versions, staging, and numbers that are used once."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segue.retrieve.catalogue.documents import Document
from segue.retrieve.catalogue.items import Items, Job


@pytest.fixture
def items(tmp_path: Path) -> Iterator[Items]:
    opened = Items(tmp_path / "items.sqlite")
    yield opened
    opened.close()


def document(id: str, title: str = "title") -> Document:
    return Document(id, title, (), {}, {}, 1.0, {})


def stage(items: Items, *pairs: tuple[str, str], job: Job | None = None) -> Job:
    rows = [(line, document(id, title)) for line, (id, title) in enumerate(pairs, 1)]
    return items.stage(job or items.begin("file"), len(rows), rows, [])[0]


def alive(items: Items, version: int) -> dict[str, str]:
    numbers, _ = items.alive(version)
    return {one.id: one.title for one in items.get(numbers.tolist()).values()}


def test_staged_rows_are_seen_by_nobody_until_they_are_published(items: Items) -> None:
    job = stage(items, ("a", "1"), ("b", "1"))
    assert (job.read, job.added, job.updated, job.unchanged) == (2, 2, 0, 0)
    assert items.version == 0
    assert alive(items, 0) == {}
    assert items.count(0) == 0
    assert items.numbers(["a", "b"], 0) == {}
    assert items.publish() == 1
    assert alive(items, 1) == {"a": "1", "b": "1"}
    assert alive(items, 0) == {}


def test_every_version_can_still_be_read(items: Items) -> None:
    stage(items, ("a", "1"), ("b", "1"))
    items.publish()
    job = stage(items, ("a", "2"), ("b", "1"), ("c", "1"))
    assert (job.added, job.updated, job.unchanged) == (1, 1, 1)
    items.publish()
    assert items.retire(["b", "nobody"]) == (3, ["b"])
    assert alive(items, 1) == {"a": "1", "b": "1"}
    assert alive(items, 2) == {"a": "2", "b": "1", "c": "1"}
    assert alive(items, 3) == {"a": "2", "c": "1"}
    assert items.retired_between(1, 2) == [1]
    assert items.retired_between(0, 3) == [1, 2]
    assert items.first_born_after(1) == 3
    assert items.first_born_after(3) is None
    assert items.numbers(["a", "b"], 1) == {"a": 1, "b": 2}
    assert items.numbers(["a", "b"], 3) == {"a": 3}


def test_replace_retires_what_the_job_did_not_name(items: Items) -> None:
    stage(items, ("a", "1"), ("b", "1"), ("c", "1"))
    items.publish()
    stage(items, ("a", "1"), ("b", "2"))
    items.publish(replace=True)
    assert alive(items, 2) == {"a": "1", "b": "2"}


def test_the_same_job_is_taken_up_and_another_starts_afresh(items: Items) -> None:
    stage(items, ("a", "1"))
    assert items.begin("file").read == 1
    assert items.staged_ids() == {"a"}
    assert items.staged_line("a") == 1
    assert items.begin("other file") == Job("other file")
    assert items.staged_ids() == set()
    assert items.begin("file") == Job("file")


def test_a_number_is_never_used_twice(items: Items) -> None:
    used: list[int] = []
    for turn in range(4):
        _, numbers = items.stage(
            items.begin(str(turn)), 2, [(1, document("a", str(turn))), (2, document("b", str(turn)))], []
        )
        used += numbers
        if turn % 2:
            items.publish()
        else:
            items.abandon()
    items.retire(["a", "b"])
    stage(items, ("a", "new"))
    used.append(items.last_number())
    assert used == sorted(set(used))


def test_state_and_rejected_rows(items: Items) -> None:
    assert items.state("nothing") is None
    assert items.state("nothing", [1]) == [1]
    items.publish(state={"key": {"a": [1, 2.5, None]}})
    items.publish(state={"key": {"a": [1, 2.5, None, "ü"]}})
    assert items.state("key") == {"a": [1, 2.5, None, "ü"]}
    items.stage(items.begin("f"), 3, [], [(3, "is bad"), (2, "is worse")])
    assert items.rejected(10) == [(2, "is worse"), (3, "is bad")]
    assert items.rejected(1) == [(2, "is worse")]
    items.abandon()
    assert items.rejected(10) == []


def test_many_ids_at_once(items: Items) -> None:
    ids = [f"id{place}" for place in range(1_234)]
    stage(items, *((id, "t") for id in ids))
    items.publish()
    assert len(items.numbers(ids, 1)) == 1_234
    assert len(items.retire(ids[:1_100])[1]) == 1_100
    assert items.count(2) == 134


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("index"), st.dictionaries(st.sampled_from("abcde"), st.sampled_from("123"), min_size=1)),
        st.tuples(st.just("replace"), st.dictionaries(st.sampled_from("abcde"), st.sampled_from("123"), min_size=1)),
        st.tuples(st.just("abandon"), st.dictionaries(st.sampled_from("abcde"), st.sampled_from("123"), min_size=1)),
        st.tuples(st.just("retire"), st.dictionaries(st.sampled_from("abcde"), st.just(""))),
    ),
    max_size=7,
)


@settings(max_examples=25, deadline=None)
@given(steps=STEPS)
def test_it_behaves_as_a_dictionary_of_every_version(
    tmp_path_factory: pytest.TempPathFactory, steps: Sequence[tuple[str, dict[str, str]]]
) -> None:
    items = Items(tmp_path_factory.mktemp("items") / "items.sqlite")
    history: list[dict[str, str]] = [{}]
    for kind, named in steps:
        now = history[-1]
        if kind == "retire":
            items.retire(list(named))
            history.append({id: title for id, title in now.items() if id not in named})
            continue
        stage(items, *named.items())
        if kind == "abandon":
            items.abandon()
        else:
            items.publish(replace=kind == "replace")
            history.append(dict(named) if kind == "replace" else {**now, **named})
    assert items.version == len(history) - 1
    for version, expected in enumerate(history):
        assert alive(items, version) == expected
        assert items.count(version) == len(expected)
        assert items.numbers([*"abcde"], version).keys() == expected.keys()
    items.close()
