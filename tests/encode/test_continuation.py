"""A trained encoder past the end of its table: the same inside, more beyond; in torch, in ONNX and in transformers."""

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime  # type: ignore[import-untyped]
import pytest
import torch
from torch import Tensor

from segue.encode.adapter import extend, open_in_transformers
from segue.encode.continuation import FOLDER, Continuation, continued, flow_of, keep, kept, table_of
from segue.encode.export import to_onnx
from segue.encode.positions import (
    AlibiPositions,
    FloaterPositions,
    LearnedPositions,
    SinusoidalPositions,
    Span,
    floater,
)
from segue.encode.positions.stored import StoredPositions
from segue.encode.pretrained import TorchEncoder, load
from segue.encode.tokenizer import Tokenizer
from segue.encode.transformer import Shape, Transformer
from segue.errors import Corrupt, InvalidInput

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what the library warns of at import is not ours
    from transformers import RobertaConfig, RobertaModel

HOW = Continuation(longest=100)


def stirred(transformer: Transformer, how: Continuation = HOW) -> Transformer:
    """Continued, with a flow that has learned something."""
    made = continued(transformer, how)
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in flow_of(made).parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return made


def ids(length: int, vocabulary: int = 30_000) -> Tensor:
    return torch.randint(5, vocabulary, (2, length), generator=torch.Generator().manual_seed(length))


@torch.no_grad()
def test_inside_the_table_nothing_changes_and_beyond_it_flows(tiny_bert: Path) -> None:
    before = load(tiny_bert).transformer
    after = stirred(before)
    for length in (1, 2, 31, 32):
        for one, other in zip(before.states(ids(length)), after.states(ids(length)), strict=True):
            assert torch.equal(one, other)
    with pytest.raises(InvalidInput, match="33 tokens"):
        before(ids(33))
    at_rest, long = continued(before, HOW), ids(90)
    assert not torch.allclose(after(long), at_rest(long), atol=1e-3)
    assert torch.isfinite(after(long)).all()


@torch.no_grad()
def test_minilm_is_itself_to_the_last_bit(reference: TorchEncoder) -> None:
    after = stirred(reference.transformer, Continuation(longest=600))
    for length in (7, 512):
        assert torch.equal(after(ids(length)), reference.transformer(ids(length)))


def test_a_table_begins_anew_at_its_second_row() -> None:
    for repeats, wanted in ((4, [0, 1, 2, 3, 1, 2, 3, 1, 2]), (3, [0, 1, 2, 3, 1, 2, 1, 2, 1])):
        positions = LearnedPositions(4, 2, repeats=repeats)
        added = positions.at(Span(0, 9, torch.zeros(1)), lambda: torch.zeros(1)).added
        assert added is not None
        assert torch.equal(added, positions.table[wanted])
        step = positions.at(Span(6, 7, torch.zeros(1)), lambda: torch.zeros(1)).added
        assert step is not None
        assert torch.equal(step, added[6:7])
    for rows, repeats in ((1, 1), (4, 5), (4, -1)):
        with pytest.raises(InvalidInput, match="two rows"):
            LearnedPositions(rows, 2, repeats=repeats)


@torch.no_grad()
def test_time_begins_where_it_is_told_to() -> None:
    own = torch.randn(2, 3, 8)
    late, early = (floater(8, scale=1.0) for _ in range(2))
    late.since = 5
    early.load_state_dict(late.state_dict())
    shifted, whole = (
        positions.at(Span(0, stop, torch.zeros(1)), lambda: own).biases for positions, stop in ((late, 12), (early, 7))
    )
    given = late.at(Span(0, 12, torch.zeros(1), torch.arange(12.0)), lambda: own).biases
    assert shifted is not None
    assert whole is not None
    assert given is not None
    for block in range(2):
        assert not shifted[block][:6].any()
        torch.testing.assert_close(shifted[block][5:], whole[block])
        torch.testing.assert_close(given[block], shifted[block])
    step = late.at(Span(11, 12, torch.zeros(1)), lambda: own).biases
    assert step is not None
    torch.testing.assert_close(step[1], shifted[1][11:])


@torch.no_grad()
@pytest.mark.parametrize("since", [0, 31])
def test_what_is_stored_is_what_was_solved_for(since: int) -> None:
    torch.manual_seed(0)
    positions = floater(8, scale=1.0)
    positions.since = since
    own = torch.randn(2, 3, 8)
    stored = StoredPositions(positions, own, longest=60)
    for start, stop in ((0, 3), (0, 32), (0, 33), (0, 60), (40, 41)):
        span = Span(start, stop, torch.zeros(1))
        solved, found = positions.at(span, lambda: own), stored.at(span, lambda: own)
        torch.testing.assert_close(found.added, solved.added)
        for block in range(2):
            expected = torch.zeros(stop - start, 24) if solved.biases is None else solved.biases[block]
            assert found.biases is not None
            torch.testing.assert_close(found.biases[block], expected)
    with pytest.raises(InvalidInput, match="61 tokens"):
        stored.at(Span(0, 61, torch.zeros(1)), lambda: own)
    with pytest.raises(InvalidInput, match="AlibiPositions"):
        StoredPositions(FloaterPositions(positions.dynamics, base=AlibiPositions(2)), own, longest=60)


def test_the_graph_that_serves_holds_the_biases(tiny_bert: Path) -> None:
    before = load(tiny_bert)
    encoder = TorchEncoder(stirred(before.transformer), Tokenizer(before.tokenizer.definition, longest=HOW.longest))
    session = onnxruntime.InferenceSession(to_onnx(encoder).SerializeToString(), providers=["CPUExecutionProvider"])
    for words in (1, 29, 30, 31, 97):
        text = "word " * words
        given = np.array(encoder.tokenizer.tokenize([text, text]), dtype=np.int64)
        (vectors,) = session.run(None, {"ids": given})
        np.testing.assert_allclose(vectors[:1], encoder.encode([text]), atol=1e-5)
    assert isinstance(encoder.transformer.positions, FloaterPositions)  # the encoder itself is as it was


@torch.no_grad()
def test_transformers_reads_it_too(tiny_bert: Path) -> None:
    before = load(tiny_bert)
    flow = flow_of(stirred(before.transformer))
    theirs = open_with_flow(tiny_bert, flow)
    ours = load(tiny_bert)
    assert ours.tokenizer.longest == HOW.longest
    assert ours.fingerprint != before.fingerprint
    for length in (5, 32, 33, 100):
        found = theirs(ids(length)).last_hidden_state
        torch.testing.assert_close(found, ours.transformer(ids(length)), atol=1e-5, rtol=0)


@torch.no_grad()
def test_roberta_counts_from_its_padding_on(tiny_bert: Path) -> None:
    config = RobertaConfig(
        **{name: json.loads((tiny_bert / "config.json").read_text())[name] for name in SIZES},
        type_vocab_size=1,
        max_position_embeddings=34,
        pad_token_id=1,
        layer_norm_eps=1e-5,
    )
    torch.manual_seed(0)
    theirs: Any = RobertaModel(config, add_pooling_layer=False)
    theirs.eval()
    (tiny_bert / "config.json").unlink()
    (tiny_bert / "model.safetensors").unlink()
    theirs.save_pretrained(tiny_bert)
    ours = load(tiny_bert)
    assert ours.tokenizer.longest == 32
    torch.testing.assert_close(theirs(ids(32)).last_hidden_state, ours.transformer(ids(32)), atol=1e-5, rtol=0)
    longer = open_with_flow(tiny_bert, flow_of(stirred(ours.transformer)))
    for length in (32, 60):
        found = longer(ids(length)).last_hidden_state
        torch.testing.assert_close(found, load(tiny_bert).transformer(ids(length)), atol=1e-5, rtol=0)


SIZES = ("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size")


def open_with_flow(tiny_bert: Path, flow: torch.nn.Module) -> Any:
    keep(tiny_bert / FOLDER, flow, HOW, source="", about={})
    return open_in_transformers(tiny_bert)


def test_what_cannot_be_continued(tiny_bert: Path, tmp_path: Path) -> None:
    before = load(tiny_bert).transformer
    with pytest.raises(InvalidInput, match="more than the 32"):
        continued(before, Continuation(longest=32))
    with pytest.raises(InvalidInput, match="already"):
        continued(continued(before, HOW), HOW)
    sinusoidal = Transformer(Shape(20, 8, 1, 2, 16), SinusoidalPositions(8))
    with pytest.raises(InvalidInput, match="SinusoidalPositions"):
        continued(sinusoidal, HOW)
    with pytest.raises(InvalidInput, match="no flow"):
        flow_of(before)
    with pytest.raises(Corrupt, match="flow"):
        continued(before, HOW, {})
    with pytest.raises(InvalidInput, match="no continuation"):
        extend(torch.nn.Linear(1, 1), tiny_bert)
    keep(tmp_path / "made" / FOLDER, flow_of(continued(before, HOW)), HOW, source="", about={})
    assert kept(tmp_path / "made" / FOLDER)[0] == HOW
    assert table_of(before) == table_of(continued(before, HOW)) == 32
    keep(tiny_bert / FOLDER, flow_of(continued(before, HOW)), HOW, source="", about={})
    with pytest.raises(InvalidInput, match="Linear"):
        extend(torch.nn.Linear(1, 1), tiny_bert)
