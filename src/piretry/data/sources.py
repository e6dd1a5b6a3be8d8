"""Where rows come from: the files of a hub dataset that stage fetch has put on disk, or a local file; and the loader
for any fields.

Files are read as they are, not through `datasets.load_dataset`: offline, that falls back to whatever version it has in
its cache, and the pinned revision would say something untrue.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from pydantic import TypeAdapter

from piretry.data.schema import Problem, content_id
from piretry.errors import PiretryError, nearest
from piretry.provenance.hashing import sha256_file
from piretry.settings.data import FileDataset, HubDataset
from piretry.verifiers.extract import last_box

READABLE = (".jsonl", ".json", ".parquet")


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a dataset and where it was read: `unit` (line or row) is what `number` counts, from 1."""

    file: str
    unit: str
    number: int
    values: Mapping[str, object]

    @property
    def where(self) -> str:
        """The place, for a message: ``test.jsonl, line 17``."""
        return f"{self.file}, {self.unit} {self.number}"

    def text(self, field: str) -> str:
        """The text in `field`, as it is; a whole number counts as text.

        Raises PiretryError when the field is absent, empty or no text, as in a row that was cut short.
        """
        if not (value := self.maybe_text(field)):
            raise PiretryError(
                f"{self.where}: the field {field!r} is empty, but must be text. Mend the row, or fetch the file again."
            )
        return value

    def maybe_text(self, field: str) -> str:
        """The text in `field` as by `text`, but "" where it is blank or null."""
        if field not in self.values:
            raise PiretryError(
                f"{self.where}: the field {field!r} is missing; the row has "
                f"{', '.join(self.values) or 'no field'}. The row was cut short or the file is of another "
                "dataset: fetch it again."
            )
        value = self.values[field]
        if isinstance(value, int) and not isinstance(value, bool):
            value = str(value)
        if value is None:
            return ""
        if not isinstance(value, str):
            raise PiretryError(
                f"{self.where}: the field {field!r} is {value!r:.60}, but must be text. Mend the row, or "
                "fetch the file again."
            )
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise PiretryError(
                f"{self.where}: the field {field!r} has half a surrogate pair at character {error.start}, "
                "which is no text. Mend the row, or fetch the file again."
            ) from error
        return value if value.strip() else ""


# A loader turns rows into problems, and counts under a reason the rows that it leaves out.
Loader = Callable[[Iterable[Row], HubDataset | FileDataset, Counter[str]], Iterator[Problem]]


@dataclass(frozen=True)
class Dataset:
    """A dataset as loaded."""

    problems: list[Problem]
    dropped: dict[str, int]  # rows that are no problem of ours, by reason
    files: dict[str, str]  # sha256 of each file that was read, by its name


def math_loaders() -> dict[str, Loader]:
    """Format -> loader, of the formats that hold mathematics."""
    from piretry.data import math500, numina

    return {"numina-cot": numina.problems, "math-500": math500.problems, "fields": mapped_problems}


def load_dataset(
    settings: HubDataset | FileDataset, folder: Path | None = None, loaders: Mapping[str, Loader] | None = None
) -> Dataset:
    """The problems of a hub dataset or a local file, by the loader of its format.

    `folder` holds the files of a hub dataset, as stage fetch has laid them; a local file needs none. `loaders` are the
    formats that can be read; those of mathematics where none are given.

    Rows that are identical in every field that we keep are one problem; the others are counted as
    `identical_row`. Raises PiretryError for a dataset that cannot be had, a file that is absent, damaged or
    not the expected one, and a row that lacks something; the message names the file and the line.
    """
    known_formats = math_loaders() if loaders is None else loaders
    if settings.format not in known_formats:
        raise PiretryError(
            f"{settings.label}: the format {settings.format!r} is not one of the formats that are read here: "
            f"{', '.join(known_formats)}. Correct the key format in the scale file."
        )
    loader = known_formats[settings.format]
    paths = local_files(settings, folder)
    dropped: Counter[str] = Counter()
    rows = (row for path in paths for row in read_rows(path))
    problems: dict[str, Problem] = {}
    count = 0
    for problem in loader(_counted(rows, settings), settings, dropped):
        known = problems.setdefault(problem.problem_id, problem)
        if known is not problem:
            if known != problem:
                raise PiretryError(
                    f"{settings.label}: two rows that differ have the id {problem.problem_id!r}. Ids must "
                    "be unique: leave the id field out of the settings, and ids are made from the content."
                )
            dropped["identical_row"] += 1
        count += 1
    if not count:
        raise PiretryError(
            f"{settings.label} has no problem: its rows were left out for {dict(dropped) or 'no reason'}."
        )
    return Dataset(
        list(problems.values()),
        dict(sorted(dropped.items())),
        {path.name: sha256_file(path) for path in paths},
    )


def referenced_dataset(
    settings: Mapping[str, Any], folder: Path | None = None, loaders: Mapping[str, Loader] | None = None
) -> tuple[Dataset, dict[str, Any]]:
    """`load_dataset` for settings as plain values, and how records name the dataset: its id and revision."""
    dataset = TypeAdapter[HubDataset | FileDataset](HubDataset | FileDataset).validate_python(settings)
    loaded = load_dataset(dataset, folder, loaders)
    if isinstance(dataset, HubDataset):
        return loaded, {"id": dataset.repo, "revision": dataset.revision}
    hashes = ", ".join(sorted(loaded.files.values()))
    return loaded, {"id": dataset.path, "revision": f"sha256 {hashes}"}


def _counted(rows: Iterable[Row], settings: HubDataset | FileDataset) -> Iterator[Row]:
    """`rows`, and PiretryError at their end when they are not as many as the settings say."""
    count = 0
    for row in rows:
        count += 1
        yield row
    if settings.rows is not None and count != settings.rows:
        raise PiretryError(
            f"{settings.label} has {count} rows, but the settings say rows: {settings.rows}. The file is "
            "incomplete or another version: fetch it again, or correct the key."
        )


def mapped_problems(
    rows: Iterable[Row], settings: HubDataset | FileDataset, dropped: Counter[str]
) -> Iterator[Problem]:
    """Problems of any dataset, by the names of its fields. The gold is a field or the solution's last box."""
    names = settings.fields
    assert names is not None  # the settings demand them with this format
    for row in rows:
        problem = row.text(names.problem)
        solution = row.text(names.solution) if names.solution else None
        gold = row.maybe_text(names.gold) if names.gold else last_box(solution or "")
        if gold is None or not gold.strip():
            dropped["no_boxed_answer" if gold is None else "empty_gold"] += 1
            continue
        source = row.text(names.source) if names.source else settings.name
        if names.problem_id:
            problem_id = row.text(names.problem_id)
        else:
            problem_id = content_id(settings.name, source, problem, gold, solution or "")
        yield Problem(problem_id, problem, gold, solution, source, settings.split)


def local_files(settings: HubDataset | FileDataset, folder: Path | None) -> list[Path]:
    """The files of a dataset on this machine, by name; those of a hub dataset lie in `folder`.

    Raises PiretryError when one is missing or is not the expected one.
    """
    if isinstance(settings, HubDataset):
        return _fetched_files(settings, folder)
    path = Path(settings.path)
    if not path.is_file():
        beside = [other.name for other in path.parent.glob("*") if other.suffix.lower() in READABLE]
        hint = nearest(path.name, beside) if beside else " Correct the key path in the scale file."
        raise PiretryError(f"{settings.label}: {path} does not exist.{hint}")
    if settings.sha256 is not None and (found := sha256_file(path)) != settings.sha256:
        raise PiretryError(
            f"{path} has the sha256 {found}, but the settings expect {settings.sha256}. The file was "
            "changed or is another version: fetch it again, or correct the key."
        )
    return [path]


def _fetched_files(settings: HubDataset, folder: Path | None) -> list[Path]:
    paths = sorted({p for pattern in settings.files for p in folder.glob(pattern) if p.is_file()}) if folder else []
    if not paths:
        raise PiretryError(
            f"{settings.label}: no file in {folder} matches {', '.join(settings.files)}. Stage fetch puts the files "
            "there, on a host with network; or name a local file: kind: file, with path and sha256, for kind: hub."
        )
    _all_shards(settings, paths)
    return paths


_SHARD = re.compile(r"(.*)-(\d{5})-of-(\d{5})(\.\w+)")


def _all_shards(settings: HubDataset, paths: list[Path]) -> None:
    """Refuse a set of shards with a gap: the key files may name some of them only."""
    shards: dict[tuple[str, str, str], set[int]] = {}
    for path in paths:
        if match := _SHARD.fullmatch(path.name):
            stem, number, total, suffix = match.groups()
            shards.setdefault((stem, total, suffix), set()).add(int(number))
    for (stem, total, suffix), numbers in shards.items():
        if gaps := set(range(int(total))) - numbers:
            lacking = ", ".join(f"{stem}-{gap:05d}-of-{total}{suffix}" for gap in sorted(gaps))
            raise PiretryError(
                f"{settings.label}: {lacking} is missing among the files of {settings.repo} at {settings.revision}. "
                "Widen the key files in the scale file to all shards, and fetch the dataset again."
            )


def read_rows(path: Path) -> Iterator[Row]:
    """The rows of a .jsonl, .json (one list) or .parquet file.

    Raises PiretryError, naming the line or row, where the file is damaged or a row has no fields.
    """
    suffix = PurePosixPath(path.name).suffix.lower()
    readers = {".jsonl": _jsonl, ".json": _json_list, ".parquet": _parquet}
    if suffix not in readers:
        raise PiretryError(f"{path} cannot be read as a dataset: its name must end in {', '.join(READABLE)}.")
    yield from readers[suffix](path)


def _jsonl(path: Path) -> Iterator[Row]:
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if line.strip():
                yield Row(str(path), "line", number, _fields(path, number, _parsed(path, number, line)))


def _parsed(path: Path, number: int, line: bytes) -> object:
    try:
        return json.loads(line.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise PiretryError(
            f"{path}, line {number}: byte {error.start + 1} is not UTF-8. Fetch the file again."
        ) from error
    except json.JSONDecodeError as error:
        cut = "it ends too early" if not line.endswith(b"\n") else error.msg.lower()
        raise PiretryError(
            f"{path}, line {number}: this is not a whole JSON object ({cut}, column {error.colno}). The "
            "file was cut short or damaged: fetch it again."
        ) from error


def _json_list(path: Path) -> Iterator[Row]:
    try:
        text = path.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise PiretryError(f"{path}: byte {error.start + 1} is not UTF-8. Fetch the file again.") from error
    decoder = json.JSONDecoder()
    blank = re.compile(r"\s*")
    at = _skip(blank, text, 0)
    if text[at : at + 1] != "[":
        raise PiretryError(f"{path} must hold one JSON list of objects, but starts with {text[at : at + 20]!r}.")
    at, line, counted = _skip(blank, text, at + 1), 1, 0
    while text[at : at + 1] != "]":
        line, counted = line + text.count("\n", counted, at), at
        try:
            value, at = decoder.raw_decode(text, at)
        except json.JSONDecodeError as error:
            raise PiretryError(
                f"{path}, line {line}: the object that starts here is not whole ({error.msg.lower()}, line "
                f"{error.lineno}). The file was cut short or damaged: fetch it again."
            ) from error
        yield Row(str(path), "line", line, _fields(path, line, value))
        at = _skip(blank, text, at)
        if text[at : at + 1] == ",":
            at = _skip(blank, text, at + 1)
        elif text[at : at + 1] != "]":
            raise PiretryError(
                f"{path}, line {line}: the list ends after this object. The file was cut short: fetch it again."
            )


def _skip(blank: re.Pattern[str], text: str, at: int) -> int:
    match = blank.match(text, at)
    return match.end() if match else at


def _fields(path: Path, number: int, value: object) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise PiretryError(f"{path}, line {number}: a row must be an object with fields, but this is {value!r:.60}.")
    return value


def _parquet(path: Path) -> Iterator[Row]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    number = 0
    try:
        with pq.ParquetFile(path) as file:
            # Nested columns (a dialogue, say) repeat what the flat ones hold, and take most of the time.
            flat = [field.name for field in file.schema_arrow if not pa.types.is_nested(field.type)]
            for batch in file.iter_batches(batch_size=8192, columns=flat):
                for values in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                    number += 1
                    yield Row(str(path), "row", number, dict(zip(flat, values, strict=True)))
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
        raise PiretryError(
            f"{path} is not a whole parquet file (after row {number}: {reason}). It is damaged or was cut "
            "short: fetch it again."
        ) from error
