"""Items embedded by an encoder that is to take over, batch by batch, each on disk before the next begins."""

import time
from collections.abc import Callable

import numpy as np

from segue.encode.encoder import Encoder
from segue.records import Numbers
from segue.retrieve.catalogue import Catalogue

_BATCH = 256


def embed(
    catalogue: Catalogue,
    numbers: Numbers,
    encoder: Encoder,
    *,
    whole: bool | None = None,
    per_second: float | None = None,
    progress: Callable[[int], None],
) -> None:
    """Embed items in the order of `numbers`, at most so many `per_second`. Stopped, what was told to `progress` is done."""
    batch = _BATCH if per_second is None else max(1, min(_BATCH, int(per_second)))
    for start in range(0, len(numbers), batch):
        began = time.monotonic()
        some = np.sort(numbers[start : start + batch]).tolist()
        catalogue.embed_anew(some, encoder, whole=whole)
        progress(len(some))
        if per_second is not None:
            time.sleep(max(0.0, len(some) / per_second - (time.monotonic() - began)))
