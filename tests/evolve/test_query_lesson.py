"""Training on queries against stored vectors: each part against a loop, and that something is learned."""

import math
from collections.abc import Callable
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
import torch

from segue.encode.positions.learned import LearnedPositions
from segue.encode.pretrained import TorchEncoder, minilm_folder
from segue.encode.tokenizer import Tokenizer
from segue.encode.transformer import Shape, Transformer
from segue.errors import InvalidInput
from segue.evolve.held_out import Found, is_held_out, ranked, shares_of
from segue.evolve.query_lesson import Course, Gallery, Lesson, learn

WORDS = """amber birch cedar delta ember flint grove heath iris jade kelp larch moss north opal pearl river slate oak reed
stone fern frost cloud storm wind rain snow leaf root bark seed thorn vine ivy lake pond creek shore cliff""".split()
ITEMS = ["a blue whale sings", "the baker of bread", "rockets to the moon", "winter in the city", "a dog and a train"]
LESSON = Lesson(steps=150, queries=16, documents=2, rate=5e-3, kept=0.1, checks=3)


def small(seed: int = 0) -> TorchEncoder:
    torch.manual_seed(seed)
    shape = Shape(vocabulary=30_522, width=16, blocks=1, heads=2, inner=32, types=2, epsilon=1e-12)
    transformer = Transformer(shape, LearnedPositions(32, 16)).eval()
    return TorchEncoder(transformer, Tokenizer.open(minilm_folder() / "tokenizer.json", longest=32))


def asked() -> dict[str, dict[int, float]]:
    """Each item is asked for by pairs out of eight words of its own: held-out pairs are of words that others have."""
    return {
        f"{one} {other}": {item: 1.0}
        for item in range(len(ITEMS))
        for one, other in combinations(WORDS[8 * item : 8 * item + 8], 2)
    }


def gallery(old: TorchEncoder, queries: dict[str, dict[int, float]] | None = None) -> Gallery:
    return Gallery(old.encode(ITEMS * 3), asked() if queries is None else queries, ITEMS)


def weights(encoder: TorchEncoder) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in encoder.transformer.state_dict().items()}


def test_held_out_queries_find_more_and_the_gallery_stays() -> None:
    old, new = small(), small()
    made = Gallery(old.encode(ITEMS), asked(), ITEMS)
    stored, before = made.vectors.copy(), weights(new)
    steps = []
    first, last = learn(new, old, [made], LESSON, progress=lambda step, done: steps.append(done))
    assert sum(steps) == LESSON.steps
    assert first.queries == last.queries == sum(is_held_out(text, 0.2) for text in made.asked)
    assert first.lost == 0
    assert last.ndcg > first.ndcg + 0.2
    np.testing.assert_array_equal(made.vectors, stored)
    changed = {name for name, tensor in weights(new).items() if not torch.equal(tensor, before[name])}
    assert changed
    assert all(name.startswith(("blocks.", "norm.")) for name in changed)
    assert all(one.requires_grad for one in new.transformer.parameters())
    again = Course(new, old, [made], LESSON).examine(new)
    assert again == last  # what was measured is what stayed


def test_the_same_seed_learns_the_same() -> None:
    old, lesson = small(), replace(LESSON, steps=6, gallery=7)
    made = gallery(old)
    one, other, third = small(), small(), small()
    assert learn(one, old, [made], lesson) == learn(other, old, [made], lesson)
    learn(third, old, [made], replace(lesson, seed=1))
    states = [weights(encoder) for encoder in (one, other, third)]
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def test_what_finds_no_more_is_put_back(monkeypatch: pytest.MonkeyPatch) -> None:
    measured = iter(Found(20, ndcg, 0.5, 0.1, None) for ndcg in (0.5, 0.4, 0.5))
    monkeypatch.setattr(Course, "examine", lambda *given: next(measured))
    old, new = small(), small()
    before = weights(new)
    first, last = learn(new, old, [gallery(old)], replace(LESSON, steps=4, checks=2))
    assert first == last
    assert all(torch.equal(tensor, before[name]) for name, tensor in weights(new).items())


def test_the_best_state_on_the_way_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    states = []

    def examine(course: Course, encoder: TorchEncoder | None) -> Found:
        states.append(weights(new))
        return Found(20, (0.5, 0.7, 0.6)[len(states) - 1], 0.5, 0.1, None)

    monkeypatch.setattr(Course, "examine", examine)
    old, new = small(), small()
    _, last = learn(new, old, [gallery(old)], replace(LESSON, steps=5, checks=2))
    assert last.ndcg == 0.7
    assert all(torch.equal(tensor, states[1][name]) for name, tensor in weights(new).items())
    assert not all(torch.equal(tensor, states[2][name]) for name, tensor in weights(new).items())


def test_the_measure_by_hand() -> None:
    draw = torch.Generator().manual_seed(0)
    vectors, stored = torch.randn(4, 6, generator=draw), torch.randn(30, 6, generator=draw)
    right = [{3: 1.0}, {4: 1.0, 9: 3.0}, dict.fromkeys(range(15), 1.0), {29: 2.0}]
    values, found = ranked(vectors, stored, [shares_of(one) for one in right])
    for row, grades in enumerate(right):
        order = sorted(range(30), key=lambda item: -float(vectors[row] @ stored[item]))[:10]
        gain = sum(grades.get(item, 0) / math.log2(rank + 2) for rank, item in enumerate(order))
        best = sum(grade / math.log2(rank + 2) for rank, grade in enumerate(sorted(grades.values(), reverse=True)[:10]))
        assert float(values[row]) == pytest.approx(gain / best)
        assert bool(found[row]) == any(item in grades for item in order)


def test_a_sample_of_the_gallery_holds_what_is_right() -> None:
    old = small()
    made = Course(small(), old, [gallery(old)], replace(LESSON, gallery=4))
    right = [shares_of(one) for one in ({14: 1.0}, {2: 3.0, 14: 1.0})]
    stored = old.encode(ITEMS * 3)
    columns, shares = made._columns(torch.from_numpy(stored), right, np.random.default_rng(0))
    assert 4 <= len(columns) <= 6
    for row, wanted in enumerate(({14: 1.0}, {2: 0.75, 14: 0.25})):
        places = {place: float(share) for place, share in enumerate(shares[row]) if share}
        assert sorted(places.values()) == sorted(wanted.values())
        for place, share in places.items():
            (item,) = [item for item, value in wanted.items() if value == share]
            np.testing.assert_array_equal(columns[place].numpy(), stored[item])


def test_a_padded_batch_is_read_as_each_text_alone() -> None:
    new = small()
    course = Course(new, new, [gallery(new)], LESSON)
    texts = ["amber", "a dog and a train in the rain", "birch wind"]
    with torch.no_grad():
        read = course._read(new.tokenizer.tokenize(texts)).numpy()
    np.testing.assert_allclose(read, new.encode(texts), atol=1e-6)


def test_every_query_is_read_once_before_any_is_again() -> None:
    old = small()
    course = Course(small(), old, [gallery(old), gallery(old)], LESSON)
    batches = course._batches(np.random.default_rng(0))
    learned = sum(not is_held_out(text, LESSON.held_out) for text in asked())
    seen: list[tuple[int, int]] = []
    while len(seen) < 2 * learned:
        taught, rows = next(batches)
        seen += [(course._galleries.index(taught), row) for row in rows.tolist()]
    assert sorted(seen) == [(place, row) for place in (0, 1) for row in range(learned)]


def test_held_out_queries_are_told_by_their_text() -> None:
    share = np.mean([is_held_out(f"query {number}", 0.2) for number in range(2000)])
    assert 0.17 < share < 0.23
    assert is_held_out(" Query 7", 0.2) == is_held_out("query 7", 0.2)
    assert not is_held_out("query 7", 0)
    assert is_held_out("query 7", 1)


Change = Callable[[Gallery], Gallery]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda made: replace(made, vectors=made.vectors[:, :8]), "8, 16"),
        (lambda made: replace(made, vectors=made.vectors[:3]), "places 0 to 2"),
        (lambda made: replace(made, vectors=made.vectors[0]), "shape"),
        (lambda made: replace(made, vectors=np.full_like(made.vectors, np.nan)), "finite"),
        (lambda made: replace(made, asked={**made.asked, "one": {}}), "not in the gallery"),
        (lambda made: replace(made, asked={**made.asked, "one": {1: 0.0}}), "above 0"),
        (lambda made: replace(made, asked=dict(list(made.asked.items())[:99])), "99 queries.*100 different"),
    ],
)
def test_bad_input(change: Change, said: str) -> None:
    old = small()
    with pytest.raises(InvalidInput, match=said):
        learn(small(), old, [change(gallery(old))], LESSON)


def test_all_or_none_held_out() -> None:
    old = small()
    for share in (0.0, 1.0):
        with pytest.raises(InvalidInput, match="all or none"):
            learn(small(), old, [gallery(old)], replace(LESSON, held_out=share))
