"""A trained part on disk: a folder with `manifest.json`, and any of safetensors tensors, JSON and other binary files.

A part is immutable. It is written beside its place, forced to the disk and renamed, so that it is there as a whole or
not at all; a process killed half-way leaves a folder `.NAME.….part`, which nothing reads. Nothing is ever unpickled.
The content hash is sha256 over kind, meta and the sorted (file, sha256) pairs; name, parent and time are not in it.
"""

import errno
import json
import os
import re
import shutil
import time
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from hashlib import file_digest, sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors import numpy as safetensors

from segue.errors import Corrupt, InvalidInput, NotFound, SegueError, Unavailable

TENSORS = "tensors.safetensors"
MANIFEST = "manifest.json"
FORMAT = 1
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_AGAIN = "copy the folder again from where it was made, or make the part again"


@dataclass(frozen=True, slots=True)
class File:
    """What one file of a part must be."""

    sha256: str
    bytes: int


@dataclass(frozen=True, slots=True)
class Artifact:
    """One opened, verified part. `hash` and `parent` are content hashes, `created` is in seconds since 1970, UTC."""

    folder: Path
    kind: str
    name: str
    hash: str
    parent: str | None
    meta: Mapping[str, Any]
    files: Mapping[str, File]
    created: float

    def tensors(self) -> dict[str, NDArray[Any]]:
        """Every tensor by its name; raises `NotFound` where the part holds none."""
        try:
            return dict(safetensors.load_file(self.path(TENSORS)))
        except (SafetensorError, OSError) as error:
            raise Corrupt(f"The tensors of {self.folder} cannot be read: {error}.", fix=_AGAIN) from error

    def path(self, file: str) -> Path:
        """Where one of the part's files is; raises `NotFound` for a file that its manifest does not name."""
        if file not in self.files:
            listed = ", ".join(self.files) or "no file"
            raise NotFound(f"The {self.kind} in {self.folder} has no file {file!r}.", expected=f"one of: {listed}")
        return self.folder / file


def write(
    folder: Path | str,
    *,
    kind: str,
    name: str,
    tensors: Mapping[str, NDArray[Any]] | None = None,
    files: Mapping[str, bytes] | None = None,
    meta: Mapping[str, Any] | None = None,
    parent: str | None = None,
    created: float | None = None,
) -> Artifact:
    """Write a new part to `folder`, whole or not at all, and return it.

    `files` are the contents by plain file name; `meta` is anything that JSON can hold; `created` is now where it is
    not given. Raises `InvalidInput` where the folder exists already or a name or value cannot be kept, `Unavailable`
    where the disk is full or read-only; nothing is left behind then.
    """
    folder = Path(folder)
    contents = _contents(tensors, files)
    described = {file: File(sha256(content).hexdigest(), len(content)) for file, content in contents.items()}
    when = time.time() if created is None else created
    manifest = _Manifest(FORMAT, kind, name, when, parent, _as_json(meta), dict(sorted(described.items())))
    _refuse_existing(folder)
    part = folder.parent / f".{folder.name}.{uuid.uuid4().hex}.part"
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        part.mkdir()
        for file, content in (*contents.items(), (MANIFEST, _to_json(manifest))):
            _write_file(part / file, content)
        _sync(part)
        part.rename(folder)
        _sync(folder.parent)
    except OSError as error:
        if error.errno in (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR):
            # Another writer was first between the look and the rename.
            _refuse_existing(folder)
        raise Unavailable(
            f"The {kind} {name!r} was not written to {folder}: {error.strerror or error}.",
            expected=f"a writable disk with {sum(map(len, contents.values())):,} free bytes",
            fix="free some space or choose another folder; nothing was left behind",
        ) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return _artifact(folder, manifest)


def open(folder: Path | str, *, kind: str) -> Artifact:
    """Open the part in `folder` and verify the size and the hash of every file.

    Raises `NotFound` where there is no manifest, `InvalidInput` for another kind or an unknown format, and `Corrupt`
    where the manifest or a file is not what was written; the message names the file.
    """
    folder = Path(folder)
    try:
        content = (folder / MANIFEST).read_bytes()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise NotFound(
            f"There is no trained part in {folder}.",
            expected=f"a folder with a {MANIFEST}",
            fix=f"check the path, or make the {kind} first",
        ) from error
    except OSError as error:
        raise Unavailable(f"{folder / MANIFEST} cannot be read: {error.strerror or error}.") from error
    manifest = _parse(content, folder / MANIFEST)
    if manifest.kind != kind:
        raise InvalidInput(
            f"{folder} holds a part of kind {manifest.kind!r}.", expected=f"kind {kind!r}", fix="pass another folder"
        )
    for file, described in manifest.files.items():
        _verify(folder / file, described)
    return _artifact(folder, manifest)


def adopt(parts: Mapping[str, tuple[Path, str]], folder: Path) -> None:
    """Copy parts, each a folder and its kind, to their names inside `folder` ("." for the folder itself): whole or not at all.

    What is there stays, unless it is damaged. Raises what `open` raises for a part that is none.
    """
    try:
        if folder.exists():
            for name, (_, kind) in parts.items():
                open(folder / name, kind=kind)
            return
    except SegueError:
        shutil.rmtree(folder)  # damaged
    new = folder.parent / f".{folder.name}.new"
    shutil.rmtree(new, ignore_errors=True)
    for name, (source, _) in parts.items():
        shutil.copytree(source, new / name, dirs_exist_ok=True)
    new.rename(folder)


@dataclass(frozen=True, slots=True)
class _Manifest:
    """The fields of `manifest.json`; `created` is in seconds since 1970, UTC."""

    format: int
    kind: str
    name: str
    created: float
    parent: str | None
    meta: Mapping[str, Any]
    files: Mapping[str, File]

    def content_hash(self) -> str:
        """sha256 over kind, meta and the sorted (file, sha256) pairs: equal for two parts that behave alike."""
        pairs = sorted((name, file.sha256) for name, file in self.files.items())
        return sha256(json.dumps([self.kind, self.meta, pairs], sort_keys=True).encode()).hexdigest()


def _artifact(folder: Path, manifest: _Manifest) -> Artifact:
    m = manifest
    return Artifact(folder, m.kind, m.name, m.content_hash(), m.parent, m.meta, m.files, m.created)


def _contents(tensors: Mapping[str, NDArray[Any]] | None, files: Mapping[str, bytes] | None) -> dict[str, bytes]:
    contents = {file: bytes(content) for file, content in (files or {}).items()}
    if tensors is not None:
        if TENSORS in contents:
            raise InvalidInput(f"Both tensors and a file {TENSORS!r} were passed.", fix="pass one of the two")
        try:
            # safetensors writes the buffer as it lies in memory: a transposed view must be laid out first.
            arrays = {key: np.asarray(array, order="C") for key, array in tensors.items()}
            contents[TENSORS] = safetensors.save(arrays)
        except (SafetensorError, KeyError, TypeError, ValueError) as error:
            raise InvalidInput(f"The tensors cannot be written: {error}.", expected="numeric numpy arrays") from error
    for file in contents:
        if not _is_safe(file):
            raise InvalidInput(
                f"{file!r} cannot be the name of a file of a part.",
                expected=f"letters, digits, '.', '-' and '_', starting with a letter or digit, and not {MANIFEST}",
            )
    return contents


def _as_json(meta: Mapping[str, Any] | None) -> Any:
    try:
        # Through JSON and back, so that the part just written and the part opened later are equal.
        return json.loads(json.dumps(dict(meta or {}), allow_nan=False))
    except (TypeError, ValueError) as error:
        raise InvalidInput(f"The meta of a part cannot be written: {error}.", expected="what JSON can hold") from error


def _refuse_existing(folder: Path) -> None:
    if os.path.lexists(folder):
        raise InvalidInput(
            f"{folder} exists already and a trained part is never changed.",
            expected="a folder that does not exist yet",
            fix="write the new version to a new folder, with the old one's hash as its parent",
        )


def _write_file(path: Path, content: bytes) -> None:
    with path.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    """Force a folder's entries to the disk; without it a file can be whole and its name lost."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _verify(path: Path, described: File) -> None:
    try:
        with path.open("rb") as file:
            size, digest = os.fstat(file.fileno()).st_size, file_digest(file, "sha256").hexdigest()
    except FileNotFoundError as error:
        raise Corrupt(f"{path} is missing.", expected=f"{described.bytes:,} bytes", fix=_AGAIN) from error
    except OSError as error:
        raise Unavailable(f"{path} cannot be read: {error.strerror or error}.") from error
    if size != described.bytes:
        raise Corrupt(f"{path} has {size:,} bytes.", expected=f"{described.bytes:,} bytes", fix=_AGAIN)
    if digest != described.sha256:
        raise Corrupt(
            f"{path} was changed after it was written: its sha256 is {digest}.", expected=described.sha256, fix=_AGAIN
        )


def _is_safe(name: object) -> bool:
    """Whether `name` is a plain file name that cannot lead out of the folder.

    >>> _is_safe("model.onnx"), _is_safe("../x"), _is_safe("manifest.json")
    (True, False, False)
    """
    return isinstance(name, str) and _NAME.fullmatch(name) is not None and name.lower() != MANIFEST


def _to_json(manifest: _Manifest) -> bytes:
    fields = {**asdict(manifest), "hash": manifest.content_hash()}
    return json.dumps(fields, indent=1, sort_keys=True).encode()


def _parse(content: bytes, path: Path) -> _Manifest:
    """Read a manifest; `path` is only for the messages. Raises `InvalidInput` for another format, else `Corrupt`."""
    try:
        fields = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise Corrupt(f"{path} is not JSON: {error}.", fix=_AGAIN) from error
    if not isinstance(fields, dict) or type(fields.get("format")) is not int:
        raise Corrupt(f"{path} does not describe a trained part.", expected="an object with a format", fix=_AGAIN)
    if fields["format"] != FORMAT:
        raise InvalidInput(
            f"{path} is of format {fields['format']}.",
            expected=f"format {FORMAT}, the one that this version of Segue reads",
            fix="upgrade Segue, or make the part again with this version",
        )
    for key, types in _TYPES.items():
        if key not in fields or not isinstance(fields[key], types) or isinstance(fields[key], bool):
            raise Corrupt(f"{path} has no valid {key!r}.", expected=_expected(types), fix=_AGAIN)
    files = {name: _file(name, fields["files"][name], path) for name in sorted(fields["files"])}
    manifest = _Manifest(**{key: fields[key] for key in _TYPES if key not in ("hash", "files")}, files=files)
    if manifest.content_hash() != fields["hash"]:
        raise Corrupt(f"{path} was changed: its hash does not fit its kind, meta and files.", fix=_AGAIN)
    return manifest


_TYPES: Mapping[str, tuple[type, ...]] = {
    "format": (int,),
    "kind": (str,),
    "name": (str,),
    "created": (int, float),
    "parent": (str, type(None)),
    "meta": (dict,),
    "files": (dict,),
    "hash": (str,),
}


def _expected(types: tuple[type, ...]) -> str:
    return " or ".join("null" if kind is type(None) else kind.__name__ for kind in types)


def _file(name: str, described: object, path: Path) -> File:
    if not _is_safe(name):
        raise Corrupt(f"{path} names the file {name!r}, which is not inside the folder.", fix=_AGAIN)
    match described:
        case {"sha256": str(digest), "bytes": int(size)}:
            return File(digest, size)
    raise Corrupt(f"{path} does not describe the file {name!r}.", expected="its sha256 and bytes", fix=_AGAIN)
