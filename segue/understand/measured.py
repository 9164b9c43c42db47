"""What a domain's re-ranker was measured at when it was trained, on disk: a part beside it, which no score depends on."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from segue import artifact
from segue.errors import Corrupt

KIND = "reranker-report"
_FILE = "report.json"


def write_report(folder: Path, report: Mapping[str, Any], *, name: str, parent: str | None = None) -> artifact.Artifact:
    """Keep a report, as plain data that JSON can hold; raises what `artifact.write` raises."""
    content = json.dumps(report, ensure_ascii=False, sort_keys=True, allow_nan=False).encode()
    return artifact.write(folder, kind=KIND, name=name, files={_FILE: content}, parent=parent)


def read_report(part: artifact.Artifact) -> dict[str, Any]:
    """What `write_report` kept. Raises `Corrupt`."""
    try:
        found: dict[str, Any] = json.loads(part.path(_FILE).read_bytes())
    except ValueError as error:
        raise Corrupt(f"The report in {part.folder} is not JSON: {error}.", fix="train the re-ranker again") from error
    return found
