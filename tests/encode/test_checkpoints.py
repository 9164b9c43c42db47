"""Encoders written back to the kind of folder that they came from."""

import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from segue.encode.continuation import FOLDER
from segue.encode.pretrained import load, save
from segue.errors import InvalidInput
from segue.recipes.migrate import migrate
from tests.tiny_bert import CONFIG


def trained(folder: Path) -> tuple[dict[str, torch.Tensor], Path]:
    """Every weight that is not of a place moved, and the model saved beside; what the weights were then."""
    encoder = load(folder)
    with torch.no_grad():
        for name, one in encoder.transformer.named_parameters():
            if not name.startswith("positions."):
                one.add_(torch.randn(one.shape))
    out = folder.parent / f"{folder.name} trained"
    save(encoder, out, source=folder)
    return encoder.transformer.state_dict(), out


def whole(tiny_bert: Path) -> Path:
    """The model with what an encoder of sentences has beside, and with weights that we do not know of."""
    (tiny_bert / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 20}))
    (tiny_bert / "1_Pooling").mkdir()
    (tiny_bert / "1_Pooling" / "config.json").write_text(json.dumps({"pooling_mode_mean_tokens": True}))
    weights = load_file(tiny_bert / "model.safetensors") | {"bert.pooler.dense.weight": torch.ones(8, 8)}
    save_file(weights, tiny_bert / "model.safetensors")
    return tiny_bert


def test_what_is_written_is_what_is_loaded(tiny_bert: Path) -> None:
    state, out = trained(whole(tiny_bert))
    found = load(out)
    again = found.transformer.state_dict()
    assert state.keys() == again.keys()
    assert all(torch.equal(state[name], again[name]) for name in state)
    assert found.tokenizer.longest == 20
    assert {str(file.relative_to(out)) for file in out.rglob("*")} == {
        str(file.relative_to(tiny_bert)) for file in tiny_bert.rglob("*")
    }
    with safe_open(out / "model.safetensors", "pt") as file:
        assert file.metadata() == {"format": "pt"}
        assert torch.equal(file.get_tensor("bert.pooler.dense.weight"), torch.ones(8, 8))


def test_nothing_trained_is_the_same_checkpoint(tiny_bert: Path) -> None:
    save(load(tiny_bert), tiny_bert / "out", source=tiny_bert)
    before, after = (load_file(folder / "model.safetensors") for folder in (tiny_bert, tiny_bert / "out"))
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_robertas_first_rows_stay(tiny_bert: Path) -> None:
    (tiny_bert / "config.json").write_text(json.dumps(CONFIG | {"model_type": "roberta", "pad_token_id": 1}))
    state, out = trained(tiny_bert)
    assert len(state["positions.table"]) == 30
    again = load(out).transformer.state_dict()
    assert all(torch.equal(state[name], again[name]) for name in state)
    name = "bert.embeddings.position_embeddings.weight"
    before, after = (load_file(folder / "model.safetensors")[name] for folder in (tiny_bert, out))
    assert torch.equal(before, after)


def test_a_migrated_model_keeps_its_continuation(tiny_bert: Path) -> None:
    migrate(tiny_bert, tiny_bert.parent / "long")
    state, out = trained(tiny_bert.parent / "long")
    found = load(out)
    assert (out / FOLDER).exists()
    assert found.tokenizer.longest == load(tiny_bert.parent / "long").tokenizer.longest
    again = found.transformer.state_dict()
    assert all(torch.equal(state[name], again[name]) for name in state)


def test_the_precision_of_the_checkpoint_stays(tiny_bert: Path) -> None:
    halved = {name: one.half() for name, one in load_file(tiny_bert / "model.safetensors").items()}
    save_file(halved, tiny_bert / "model.safetensors")
    _, out = trained(tiny_bert)
    assert {one.dtype for one in load_file(out / "model.safetensors").values()} == {torch.float16}


def test_another_models_folder_is_refused(tiny_bert: Path) -> None:
    encoder = load(tiny_bert)
    encoder.transformer.words.weight = torch.nn.Parameter(torch.zeros(7, 8))
    with pytest.raises(InvalidInput, match="word_embeddings"):
        save(encoder, tiny_bert / "out", source=tiny_bert)
    assert not (tiny_bert / "out").exists()
