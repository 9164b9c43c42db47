"""The pre-trained encoder and its int8 artifact, made once for all tests."""

from pathlib import Path

import pytest

from segue.encode.export import export
from segue.encode.pretrained import TorchEncoder, minilm


@pytest.fixture(scope="session")
def reference() -> TorchEncoder:
    return minilm()


@pytest.fixture(scope="session")
def int8_folder(reference: TorchEncoder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export(reference, tmp_path_factory.mktemp("encoder") / "minilm", name="minilm-int8").folder


@pytest.fixture(scope="session")
def texts() -> list[str]:
    """300 different short requests, of 3 to about 20 tokens."""
    verbs = [
        "play",
        "find me",
        "what is",
        "turn off",
        "add to my list:",
        "who wrote",
        "book",
        "how long is",
        "show",
        "buy",
    ]
    things = [
        "mary poppins",
        "the lights in the kitchen",
        "a table for two in paris tonight",
        "1984",
        "naïve café music",
    ]
    ends = [
        "",
        " please",
        " from the nineteen eighties",
        " as soon as you can",
        "?",
        " near me that is open late on sunday",
    ]
    return [f"{verb} {thing}{end}" for verb in verbs for thing in things for end in ends]
