"""Views: one scene for each step, one vector for each action, zeros for what cannot be taken."""

from collections.abc import Mapping
from typing import Any

import pytest
import torch
from torch import Tensor

from segue.act.follower import Follower, Reader
from segue.act.views import view_of
from segue.errors import InvalidInput

B, T, WIDTH = 3, 4, 16


def houses() -> Mapping[str, Tensor]:
    return {
        "geometry": torch.randn(B, T, 5, 8),
        "seen": torch.randint(0, 6, (B, T, 5, 4)),
        "choices": torch.rand(B, T, 5) < 0.6,
    }


def grid() -> Mapping[str, Tensor]:
    image = torch.stack([torch.randint(0, values, (B, T, 7, 7)) for values in (11, 6, 4)], -1)
    return {"image": image, "direction": torch.randint(0, 4, (B, T)), "choices": torch.rand(B, T, 7) < 0.6}


def fields() -> Mapping[str, Tensor]:
    return {
        "speed": torch.randn(B, T, 2, 3),
        "gear": torch.randint(0, 5, (B, T)),
        "choices": torch.rand(B, T, 3) < 0.6,
    }


WORLDS: dict[str, tuple[dict[str, Any], Any]] = {
    "houses": ({"kind": "houses"}, houses),
    "grid": ({"kind": "grid", "cells": [11, 6, 4], "size": 7, "actions": 7}, grid),
    "fields": ({"kind": "fields", "sizes": {"speed": 6}, "bounds": {"gear": (1, 5)}, "actions": 3}, fields),
}


@pytest.mark.parametrize("kind", WORLDS)
def test_every_view(kind: str) -> None:
    torch.manual_seed(0)
    sees, make = WORLDS[kind]
    seen = {**make()}
    seen["choices"][..., 0] = True
    words = torch.randn(9, 16)
    view = view_of(sees, words, torch.randn(21 if kind == "grid" else 6, 16), width=WIDTH, dropout=0.0)
    found = view(seen)
    assert found.scene.shape == (B, T, WIDTH)
    assert found.choices.shape == (*seen["choices"].shape, WIDTH)
    assert not found.choices[~seen["choices"]].any()
    alone = view({name: values[:1, 1:2] for name, values in seen.items()})
    torch.testing.assert_close(alone.scene, found.scene[:1, 1:2])
    torch.testing.assert_close(alone.choices, found.choices[:1, 1:2])
    assert (found.parts is None) == (view.parts == 0)
    if found.parts is not None:
        assert found.parts.shape == (B, T, found.parts.shape[2], view.parts)
        torch.testing.assert_close(alone.parts, found.parts[:1, 1:2])
    follower = Follower(Reader(words, width=WIDTH, dropout=0.0), view, width=WIDTH, dropout=0.0)
    followed = follower(seen, torch.zeros(B, T, dtype=torch.long), torch.tensor([[4, 5], [4, 0], [6, 0]]))
    followed.values.sum().backward()
    assert followed.values.shape == (*seen["choices"].shape, 1)
    assert not followed.values[~seen["choices"]].any()


def test_a_cell_matches_a_word_as_the_mean_of_what_its_numbers_are_called_does() -> None:
    torch.manual_seed(0)
    names, words = torch.randn(9, 16), torch.randn(7, 16)
    names[0], names[7:], words[0] = 0, 0, 0  # nothing there, and what has no name
    view = view_of(
        {"kind": "grid", "cells": [4, 3, 2], "size": 2, "actions": 3}, words, names, width=WIDTH, dropout=0.0
    )
    image = torch.tensor([[[[[1, 2, 0], [0, 1, 1]], [[3, 0, 1], [2, 2, 0]]]]])
    said = torch.tensor([[4, 6, 0]])
    matched = view.parts_match({"image": image}, said)
    assert matched is not None
    found, nearest = matched
    assert found.shape == (1, 1, 4, 3)
    for cell, called in enumerate([[1, 6], [5], [3, 4], [2, 6]]):
        for at, word in enumerate(said[0].tolist()):
            cosines = [torch.cosine_similarity(names[one], words[word], dim=0) for one in called]
            assert found[0, 0, cell, at].item() == pytest.approx(torch.stack(cosines).mean().item(), abs=1e-5)
        most = [max(torch.cosine_similarity(names[one], words[word], dim=0) for word in (4, 6)) for one in called]
        assert nearest[0, 0, cell].item() == pytest.approx(
            sum(max(one, torch.tensor(0.0)) for one in most) / len(called)
        )


def test_matches_are_the_cosine_of_the_nearest_name() -> None:
    torch.manual_seed(0)
    names, words = torch.randn(6, 16), torch.randn(9, 16)
    names[0], words[0] = 0, 0
    view, seen = view_of({"kind": "houses"}, words, names, width=WIDTH, dropout=0.0), houses()
    asked = torch.randint(0, 9, (B, 5))
    found = view.matches(seen, asked)
    assert found is not None
    for b, t, a in seen["choices"].nonzero().tolist():
        for n in range(5):
            each = [torch.cosine_similarity(names[k], words[asked[b, n]], 0) for k in seen["seen"][b, t, a].tolist()]
            torch.testing.assert_close(found[b, t, a, n], torch.stack(each).max())


def test_unknown_kinds_are_refused() -> None:
    for sees in ({"kind": "sound"}, {}, {"kind": "houses"}):
        with pytest.raises(InvalidInput, match="fields"):
            view_of(sees, torch.zeros(4, 16), None, width=WIDTH, dropout=0.0)
