"""The audit: re-hash everything in a results folder, and hold every record against what lies there now."""

from __future__ import annotations

import hashlib
import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from piretry.errors import PiretryError
from piretry.provenance import layout
from piretry.provenance.checks import belongs_to, created_at, difference, listed, outside
from piretry.provenance.code import changed_modules
from piretry.provenance.findings import NOTES, AuditReport, Finding
from piretry.provenance.graph import Lineage
from piretry.provenance.hashing import Content, FileEntry, content_of, hash_entry, list_files
from piretry.provenance.model import RECORD_SUFFIX, Input, Loaded, Record, load, record_path
from piretry.provenance.root import read_run_id
from piretry.provenance.tree import walk

# How far clocks may disagree before an order of times is called impossible: steps of a synchronised clock on
# one host, and the offset between the nodes of a cluster. Neither is fixed by anything but experience.
SKEW_SAME_HOST = timedelta(seconds=1)
SKEW_OTHER_HOST = timedelta(seconds=60)


def audit(
    results_root: Path,
    current_digest: Callable[[Record], str | None],
    *,
    ignore: Sequence[str] = (),
    expected: Iterable[str] = (),
    progress: Callable[[int, int], None] | None = None,
) -> AuditReport:
    """Check every artifact and record of a results folder.

    Args:
        results_root: the folder of one scale, e.g. results/mini.
        current_digest: the code digest that the stage of a record would have now; None when it cannot be told
        (a note,
            not a finding). A PiretryError from it is a finding: a module is gone.
        ignore: patterns of paths to pass over, beside `layout.NOT_ARTIFACTS`.
        expected: paths (relative to the folder) that must be there although no record may name them.
        progress: called with (bytes hashed, bytes to hash) as hashing goes on.

    Sizes and times are never trusted: every byte is read. Raises PiretryError when the folder does not exist
    or belongs to another version.
    """
    return Audit(Path(results_root), current_digest, ignore, expected).run(progress)


@dataclass(frozen=True)
class _Read:
    """What reading one record file gave: `loaded` or the reason why not, and the hash of the file."""

    loaded: Loaded | None
    reason: str
    sha256: str


class Audit:
    """One audit, for those who need more of it than its report: the `lineage`, and what was `unseen`.

    Args:
        root, current_digest, ignore, expected: as for `audit`.
        read: reads the text of a record; ValueError when it is none.
        left_out: artifacts that need not lie there -> the hash that their records must name. Those that do not lie
            there are counted in `unseen`.
    """

    def __init__(
        self,
        root: Path,
        current_digest: Callable[[Record], str | None],
        ignore: Sequence[str] = (),
        expected: Iterable[str] = (),
        *,
        read: Callable[[str], Loaded] = load,
        left_out: Mapping[str, str] | None = None,
    ) -> None:
        self.root = root
        self.current_digest = current_digest
        self.ignore = ignore
        self.expected = tuple(expected)
        self.reader = read
        self.left_out = left_out or {}
        self.unseen = 0
        self.notes: Counter[str] = Counter()
        self.found: dict[tuple[str, str], list[str]] = defaultdict(list)
        self.contents: dict[Path, Content] = {}
        self.unreadable: dict[Path, str] = {}

    def run(self, progress: Callable[[int, int], None] | None = None) -> AuditReport:
        """Check everything; the report says what was found."""
        recorded = walk(self.root, self.ignore).recorded
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            read = dict(zip(recorded, pool.map(self._read, recorded), strict=True))
            self.record_hashes = {path: entry.sha256 for path, entry in read.items()}
            self.loaded = {path: entry.loaded for path, entry in read.items() if entry.loaded}
            self.records = {path: loaded.record for path, loaded in self.loaded.items()}
            self.lineage = Lineage(self.records)
            self.named = self._named_by_records()
            # Now that the records tell which folders are artifacts, look again at what has no record.
            self.tree = walk(self.root, self.ignore, lambda path: path in self.named or bool(layout.maker(path)))
            self._hash(self._paths_to_hash(), pool, progress)
        for path, entry in read.items():
            if entry.loaded is None:
                self._find(path, "record_invalid", f"its record cannot be used: {entry.reason}")
        run = self._run()
        self.created = created_at(self.root)
        for path, record in self.records.items():
            self._check_artifact(path, record)
            self._check_place(path, record, run)
        for path, record in self.records.items():
            self._check_inputs(path, record)
            self._check_times(path, record)
            self._check_code(path, record)
            self._check_image(path, record)
            self._count_notes(record)
        self._check_presence()
        self.notes["leftovers"] = len(self.tree.leftovers)
        findings = sorted(
            Finding(path, kind, "; ".join(sentences), tuple(self.lineage.claims_depending_on(path)))
            for (path, kind), sentences in self.found.items()
        )
        return AuditReport(
            root=self.root.as_posix(),
            findings=tuple(findings),
            notes={name: self.notes[name] for name in NOTES if self.notes[name]},
            artifacts=len(recorded),
            bytes_hashed=sum(content.size for content in self.contents.values()),
        )

    def _find(self, path: str, kind: str, sentence: str) -> None:
        if sentence not in self.found[path, kind]:
            self.found[path, kind].append(sentence)

    # -- reading

    def _read(self, path: str) -> _Read:
        data = b""
        try:
            data = record_path(self.root / path).read_bytes()
            return _Read(self.reader(data.decode("utf-8")), "", hashlib.sha256(data).hexdigest())
        except (OSError, ValueError) as error:
            return _Read(None, str(error), hashlib.sha256(data).hexdigest())

    def _named_by_records(self) -> dict[str, set[str]]:
        """Path inside the results folder -> the artifacts whose records name it as an input or a sibling."""
        named: dict[str, set[str]] = defaultdict(set)
        for path, record in self.records.items():
            for entry in record.inputs:
                if entry.inside:
                    named[entry.path].add(path)
            for sibling in record.siblings:
                named[sibling].add(path)
        return dict(named)

    def _paths_to_hash(self) -> set[Path]:
        paths = {self.root / path for path in self.records}
        for record in self.records.values():
            paths |= {outside(record, entry.path) for entry in record.inputs if not entry.inside}
            if record.image.path and record.image.sha256:
                paths.add(self._image_place(record, record.image.path))
        return {path for path in paths if path.exists()}

    def _hash(self, paths: set[Path], pool: ThreadPoolExecutor, progress: Callable[[int, int], None] | None) -> None:
        """Hash file by file, so that one large model does not keep a single thread busy at the end."""
        todo: list[tuple[Path, tuple[str, Path, os.stat_result]]] = []
        for path in paths:
            try:
                todo += [(path, item) for item in list_files(path)]
            except (OSError, PiretryError) as error:
                self.unreadable[path] = str(error)
        todo.sort(key=lambda job: (-job[1][2].st_size, job[0], job[1][0]))
        total, done = sum(item[2].st_size for _, item in todo), 0
        parts: dict[Path, list[FileEntry]] = {path: [] for path in paths}
        for (path, item), entry in zip(todo, pool.map(_hash_or_error, (item for _, item in todo)), strict=True):
            if isinstance(entry, OSError):
                self.unreadable[path] = str(entry)
            else:
                parts[path].append(entry)
            done += item[2].st_size
            if progress is not None:
                progress(done, total)
        for path, entries in parts.items():
            if path not in self.unreadable:
                self.contents[path] = content_of(sorted(entries, key=lambda entry: entry.path))

    def _run(self) -> str:
        """The id of this results folder; when run.json is gone, the one that most records name."""
        known = read_run_id(self.root)
        if known is not None:
            return known
        named = Counter(record.run for record in self.records.values())
        if not named:
            self._find(".", "missing", "no provenance record lies in this folder, so that nothing can be checked")
            return ""
        self._find(layout.RUN_FILE, "missing", "the file that names this results folder is gone: restore it")
        return named.most_common(1)[0][0]

    # -- one record

    def _check_artifact(self, path: str, record: Record) -> None:
        place, left_out = self.root / path, self.left_out.get(path)
        if left_out is not None and not place.exists():
            self.unseen += 1
            if record.artifact.sha256 != left_out:
                self._find(
                    path,
                    "changed",
                    f"it was left out of the archive with sha256 {left_out[:12]}, and its record names "
                    f"{record.artifact.sha256[:12]}",
                )
        elif place in self.unreadable:
            self._find(path, "changed", f"it cannot be read ({self.unreadable[place]})")
        elif place not in self.contents:
            self._find(path, "missing", f"its record lies there, but not the {record.artifact.kind} itself")
        elif self.contents[place].sha256 != record.artifact.sha256:
            self._find(path, "changed", difference(self.contents[place], record))

    def _check_place(self, path: str, record: Record, run: str) -> None:
        if record.run != run:
            self._find(
                path,
                "foreign",
                f"its record was written in another results folder (run {record.run[:8]}, here {run[:8]})",
            )
        if record.artifact.path != path:
            self._find(path, "renamed", f"its record belongs to {record.artifact.path}")
        elif (record.state, record.claim, record.table) != belongs_to(path, record.target):
            of = record.state or record.claim or record.table or record.target
            self._find(path, "renamed", f"its record names this path, but it is one of {of}")
        if self.loaded[path].edited:
            self._find(path, "record_edited", "its record was edited: the content does not fit the checksum")

    def _check_inputs(self, path: str, record: Record) -> None:
        for entry in record.inputs:
            if entry.inside:
                self._check_inside_input(path, record, entry)
            else:
                self._check_outside_input(path, record, entry)

    def _check_inside_input(self, path: str, record: Record, entry: Input) -> None:
        made = self.records.get(self.lineage.owner(entry.path))
        if made is None:
            return  # missing, unrecorded or unreadable: said at the input itself
        recorded = self._recorded_hash(made, entry.path)
        if entry.sha256 != recorded:
            self._find(
                path,
                "record_changed",
                f"it was made from other bytes of {entry.path} (sha256 {entry.sha256[:12]}) than the record "
                f"there names now ({recorded[:12]})",
            )
            return
        # A file of a folder has no record of its own, and what is found at a record itself explains that its
        # checksum is another.
        if entry.path not in self.records or not (self._in_its_place(path) and self._in_its_place(entry.path)):
            return
        later = made.cost.end - record.cost.start
        if entry.record == made.checksum and later > self._skew(made, record):
            self._find(
                path,
                "time_order",
                f"it was started at {record.cost.started}, before its input {entry.path} was finished at "
                f"{made.cost.finished}",
            )
        elif entry.record != made.checksum and later > timedelta(0):
            self.notes["rebuilt"] += 1
        elif entry.record != made.checksum:
            # A rebuilt input is younger than whatever used the old one. This one is not.
            self._find(
                path,
                "record_changed",
                f"the record of its input {entry.path} is not the one it saw, and is too old to be a rebuild",
            )

    def _recorded_hash(self, made: Record, path: str) -> str:
        """The hash that `path` has by the records: an artifact, a file of one that is a folder, or a record."""
        if path.endswith(RECORD_SUFFIX):
            return self.record_hashes[path.removesuffix(RECORD_SUFFIX)]
        if path in self.records:
            return made.artifact.sha256
        inside = path.removeprefix(f"{self.lineage.owner(path)}/")
        return next((entry.sha256 for entry in made.artifact.files if entry.path == inside), "absent")

    def _in_its_place(self, path: str) -> bool:
        """Whether the record at `path` was written for this place, and is as it was written."""
        return not any((path, kind) in self.found for kind in ("foreign", "renamed", "record_edited"))

    def _check_outside_input(self, path: str, record: Record, entry: Input) -> None:
        place = outside(record, entry.path)
        if place in self.unreadable:
            self._find(path, "record_changed", f"its input {entry.path} cannot be read ({self.unreadable[place]})")
        elif place not in self.contents:
            self.notes["outside_absent"] += 1
        elif self.contents[place].sha256 != entry.sha256:
            self._find(
                path,
                "record_changed",
                f"it was made from other bytes of {entry.path} (sha256 {entry.sha256[:12]}) than lie there "
                f"now ({self.contents[place].sha256[:12]})",
            )

    def _check_times(self, path: str, record: Record) -> None:
        foreign = (path, "foreign") in self.found  # of a folder that was created at another time
        if record.cost.end < record.cost.start:
            self._find(path, "time_order", f"it was finished at {record.cost.finished}, before it was started")
        elif self.created is not None and not foreign and record.cost.end < self.created - SKEW_OTHER_HOST:
            # What is made from nothing has no input that could tell that its clock was behind.
            self._find(path, "time_order", f"it was finished at {record.cost.finished}, before this folder was created")
        if record.cost.end > datetime.now(UTC) + SKEW_OTHER_HOST:
            self._find(path, "time_order", f"it was finished at {record.cost.finished}, which is in the future")

    @staticmethod
    def _skew(one: Record, other: Record) -> timedelta:
        return SKEW_SAME_HOST if one.machine.host == other.machine.host else SKEW_OTHER_HOST

    def _check_code(self, path: str, record: Record) -> None:
        try:
            now = self.current_digest(record)
        except PiretryError as error:
            self._find(path, "other_code", f"the code of stage {record.stage} cannot be compared: {error}")
            return
        if now is None:
            self.notes["code_unknown"] += 1
        elif now != record.code.digest:
            modules = changed_modules(record.code.parts, record.code.modules)
            what = f"changed since: {', '.join(modules[:4])}" if modules else "the stage names other modules now"
            more = f" and {len(modules) - 4} more" if len(modules) > 4 else ""
            self._find(path, "other_code", f"stage {record.stage} has other code now ({what}{more})")

    def _check_image(self, path: str, record: Record) -> None:
        if record.image.path is None or record.image.sha256 is None:
            return
        place = self._image_place(record, record.image.path)
        content = self.contents.get(place)
        if content is None:
            self.notes["image_absent"] += 1
        elif content.sha256 != record.image.sha256:
            self._find(
                path,
                "other_image",
                f"it was made in {record.image.path} with sha256 {record.image.sha256[:12]}, but {place} has "
                f"{content.sha256[:12]} now",
            )

    def _image_place(self, record: Record, path: str) -> Path:
        """Where the image lies: in the checkout that holds this results folder, else where the job found it.

        Images lie beside the results (``images/cpu.sif`` beside ``results/mini``), and a checkout may have been moved.
        """
        here = self.root.resolve().parent.parent / path
        return here if here.exists() else outside(record, path)

    def _count_notes(self, record: Record) -> None:
        self.notes["dirty"] += bool(record.checkout.dirty)
        self.notes["no_commit"] += record.checkout.commit is None
        self.notes["no_image"] += record.image.sha256 is None

    # -- the folder as a whole

    def _check_presence(self) -> None:
        others = set(self.tree.others)
        for path, users in sorted(self.named.items()):
            owner = self.lineage.owner(path)
            if owner not in self.tree.recorded and path not in others:
                self._find(path, "missing", f"neither it nor its record is there, but {listed(users)} names it")
        for path in sorted(set(self.expected) - set(self.tree.recorded) - others - set(self.named)):
            self._find(path, "missing", "it is expected here and is not there")
        for path in self.tree.others:
            stage = layout.maker(path)
            if path in self.named:
                self._find(path, "record_missing", f"it has no record, but {listed(self.named[path])} names it")
            elif stage is not None or path in self.expected:
                self._find(path, "record_missing", f"it has no record (stage {stage or 'unknown'} writes one)")
            else:
                self._find(path, "unexpected", "no stage makes it and no record names it: remove it")


def _hash_or_error(item: tuple[str, Path, os.stat_result]) -> FileEntry | OSError:
    try:
        return hash_entry(item)
    except OSError as error:
        return error
