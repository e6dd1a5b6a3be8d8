"""The code digest: one value for all the piretry code that a stage can run.

It goes into the params of each rule, because Snakemake does not see an imported package, and into each
record, where the audit compares it with the present code. It covers the *tokens* of the sources without
comments, blank lines and docstrings: an edited comment reruns nothing. It holds module names and no paths,
and is the same in Python 3.11 to 3.13, so that it survives a move, an image and an upgrade.

Followed: every import statement of a piretry module, inside functions too, with the `__init__` of each
package on the way. Not followed: what runs only under ``if TYPE_CHECKING:`` (never), and imports made at run
time through importlib. That is on purpose: a stage that picks one of several modules by name (a method, an
engine) names the module it picked in `modules`, and an edit of one method then reruns only that method's
cells. A file of the package that is no module (a template) is named by its path, e.g.
``piretry/report/templates/page.html``.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import io
import tokenize
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from piretry.errors import PiretryError, nearest

_PART_LENGTH = 16  # hex digits kept of each module's own digest: enough to name the module that changed


@dataclass(frozen=True)
class _Source:
    """One file of the package: its digest and the piretry modules that it imports."""

    path: Path
    digest: str
    imports: tuple[str, ...]


def code_digest(modules: Sequence[str]) -> str:
    """Hex SHA-256 of the code that `modules` and everything they import statically consist of.

    Raises PiretryError when a module does not exist or does not parse.
    """
    return Package.installed().digest(tuple(modules))


def code_files(modules: Sequence[str]) -> dict[str, Path]:
    """Module name -> file, for all that `code_digest(modules)` covers, sorted by name."""
    package = Package.installed()
    return {name: package.source(name).path for name in package.closure(tuple(modules))}


def code_parts(modules: Sequence[str]) -> dict[str, str]:
    """Module name -> first 16 hex digits of its own digest, for all that `code_digest(modules)` covers."""
    return Package.installed().parts(tuple(modules))


def changed_modules(then: Mapping[str, str], modules: Sequence[str]) -> list[str]:
    """The modules added, removed or edited since `then`, an older `code_parts(modules)`."""
    try:
        now = code_parts(modules)
    except PiretryError:  # one of them is gone
        return sorted(name for name in modules if not Package.installed().has(name))
    return sorted(name for name in {*then, *now} if then.get(name) != now.get(name))


class Package:
    """The sources under one package folder, each read once per process.

    Args:
        folder: the folder of the package, whose name is the package's name.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._sources: dict[str, _Source] = {}
        self._closures: dict[tuple[str, ...], tuple[str, ...]] = {}
        self._digests: dict[tuple[str, ...], str] = {}

    @classmethod
    @functools.cache
    def installed(cls) -> Package:
        """The piretry that is running."""
        return cls(Path(__file__).resolve().parent.parent)

    def digest(self, modules: tuple[str, ...]) -> str:
        """See `code_digest`."""
        key = tuple(sorted(set(modules)))
        if key not in self._digests:
            lines = (f"{name}\0{self.source(name).digest}\n" for name in self.closure(key))
            self._digests[key] = hashlib.sha256(b"piretry code 1\n" + "".join(lines).encode()).hexdigest()
        return self._digests[key]

    def parts(self, modules: tuple[str, ...]) -> dict[str, str]:
        """See `code_parts`."""
        return {name: self.source(name).digest[:_PART_LENGTH] for name in self.closure(modules)}

    def closure(self, modules: tuple[str, ...]) -> tuple[str, ...]:
        """`modules`, their packages, and all that these import, sorted. Cycles are fine."""
        key = tuple(sorted(set(modules)))
        if not key:
            raise PiretryError("A code digest of no module would never change: name the module of the stage.")
        if key not in self._closures:
            for name in key:
                if not self.has(name):
                    raise PiretryError(
                        f"There is no module {name!r} to take a code digest of.{nearest(name, self.all_modules())}"
                    )
            seen: set[str] = set()
            waiting = list(key)
            while waiting:
                name = waiting.pop()
                for part in self._with_packages(name):
                    if part not in seen:
                        seen.add(part)
                        waiting.extend(self.source(part).imports)
            self._closures[key] = tuple(sorted(seen))
        return self._closures[key]

    def has(self, name: str) -> bool:
        """Whether `name` is a module, a package or a file of this package."""
        if "/" in name:
            return self._data_file(name).is_file()
        return self._file(name) is not None or self._is_namespace(name)

    def source(self, name: str) -> _Source:
        """The digest and imports of one module."""
        if name not in self._sources:
            self._sources[name] = self._read(name)
        return self._sources[name]

    def all_modules(self) -> Iterator[str]:
        """The dotted names of all modules of the package."""
        for file in sorted(self.folder.rglob("*.py")):
            parts = (self.folder.name, *file.relative_to(self.folder).with_suffix("").parts)
            yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    def _read(self, name: str) -> _Source:
        if "/" in name:
            path = self._data_file(name)
            return _Source(path, hashlib.sha256(path.read_bytes()).hexdigest(), ())
        path_or_none = self._file(name)
        if path_or_none is None:
            raise PiretryError(f"The module {name!r} is not in {self.folder}.")
        try:
            text = _decode(path_or_none.read_bytes())
            tree = ast.parse(text, filename=str(path_or_none))
        except (SyntaxError, UnicodeDecodeError) as error:
            raise PiretryError(f"{path_or_none} is not valid Python: {error}.") from error
        tokens = "\0".join(significant_tokens(text, tree))
        imports = tuple(sorted(self._imported(name, path_or_none, tree)))
        # A lone surrogate can stand in a source only as an escape, so that the text always encodes.
        return _Source(path_or_none, hashlib.sha256(tokens.encode()).hexdigest(), imports)

    def _data_file(self, name: str) -> Path:
        parts = Path(name).parts
        if parts[0] != self.folder.name or ".." in parts:
            raise PiretryError(f"{name!r} is no file of the package: it must start with '{self.folder.name}/'.")
        return self.folder.joinpath(*parts[1:])

    def _file(self, name: str) -> Path | None:
        first, *rest = name.split(".")
        if first != self.folder.name or not all(part.isidentifier() for part in rest):
            return None
        base = self.folder.joinpath(*rest)
        for file in (base / "__init__.py", base.parent / f"{base.name}.py"):
            if file.is_file() and file.is_relative_to(self.folder):
                return file
        return None

    def _is_namespace(self, name: str) -> bool:
        first, *rest = name.split(".")
        return first == self.folder.name and bool(rest) and self.folder.joinpath(*rest).is_dir()

    def _with_packages(self, name: str) -> list[str]:
        """`name` after the packages that Python runs on the way to it (none for a bare folder)."""
        if "/" in name:
            return [name]
        parts = name.split(".")
        chain = [".".join(parts[: end + 1]) for end in range(len(parts))]
        return [part for part in chain if self._file(part) is not None]

    def _imported(self, name: str, path: Path, tree: ast.Module) -> set[str]:
        found: set[str] = set()
        package = name if path.name == "__init__.py" else name.rpartition(".")[0]
        wanted: list[tuple[str, tuple[str, ...]]]
        for node in _import_statements(tree.body):
            if isinstance(node, ast.Import):
                wanted = [(alias.name, ()) for alias in node.names]
            else:
                base = node.module or ""
                if node.level:
                    above = package.split(".")[: len(package.split(".")) - node.level + 1]
                    base = ".".join([*above, *([base] if base else [])])
                wanted = [(base, tuple(alias.name for alias in node.names))]
            for module, members in wanted:
                if module.split(".")[0] != self.folder.name:
                    continue
                if not self.has(module):
                    raise PiretryError(f"{path}, line {node.lineno}, imports {module!r}, which does not exist.")
                found.add(module)
                if "*" in members:
                    members = (*members, *self._exported(module))
                found.update(f"{module}.{member}" for member in members if self._is_submodule(module, member))
        return {module for module in found if self._file(module) is not None}

    def _is_submodule(self, module: str, member: str) -> bool:
        return member != "*" and self._file(f"{module}.{member}") is not None

    def _exported(self, module: str) -> tuple[str, ...]:
        """A literal `__all__` of `module`: a star import loads those of its names that are modules."""
        file = self._file(module)
        if file is None:
            return ()
        for node in ast.parse(_decode(file.read_bytes())).body:
            if isinstance(node, ast.Assign) and any(
                isinstance(t, ast.Name) and t.id == "__all__" for t in node.targets
            ):
                try:
                    return tuple(str(item) for item in ast.literal_eval(node.value))
                except ValueError:
                    return ()
        return ()


def significant_tokens(text: str, tree: ast.Module) -> Iterator[str]:
    """The tokens of a source without comments, blank lines and docstrings.

    Line ends and indentation become marks. Python 3.12 and later split an f-string into parts where 3.11 has
    one token: they are put together again.
    """
    lines = text.split("\n")
    docstrings = list(_docstring_spans(tree, lines))
    inside = 0
    opened = (0, 0)
    line_has_token = False
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        kind = tokenize.tok_name[token.type]
        if kind in ("FSTRING_START", "TSTRING_START"):
            opened = token.start if not inside else opened
            inside += 1
        elif kind in ("FSTRING_END", "TSTRING_END"):
            inside -= 1
            if not inside:
                yield _slice(lines, opened, token.end)
                line_has_token = True
        elif inside or kind in ("COMMENT", "NL", "ENDMARKER", "ENCODING"):
            continue
        elif kind == "NEWLINE":
            if line_has_token:
                yield "\x01"
            line_has_token = False
        elif kind == "INDENT":
            yield "\x02"
        elif kind == "DEDENT":
            yield "\x03"
        elif kind == "STRING" and any(start <= token.start and token.end <= end for start, end in docstrings):
            continue
        else:
            yield token.string
            line_has_token = True


def _docstring_spans(tree: ast.Module, lines: list[str]) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
    """Start and end (line from 1, column in characters) of every docstring."""
    for node in _scopes(tree):
        first = node.body[0] if node.body else None
        if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
            value = first.value
            end_line = value.end_lineno or value.lineno
            start = (value.lineno, _characters(lines[value.lineno - 1], value.col_offset))
            yield start, (end_line, _characters(lines[end_line - 1], value.end_col_offset or 0))


def _scopes(tree: ast.Module) -> Iterator[ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef]:
    yield tree
    for node in _statements(tree.body, skip_type_checking=False):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def _import_statements(body: Iterable[ast.stmt]) -> Iterator[ast.Import | ast.ImportFrom]:
    for node in _statements(body, skip_type_checking=True):
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node


def _statements(body: Iterable[ast.stmt], skip_type_checking: bool) -> Iterator[ast.stmt]:
    """All statements below `body`, functions included; expressions hold none, so they are not walked."""
    waiting = list(body)
    while waiting:
        node = waiting.pop()
        yield node
        blocks = [getattr(node, name, []) for name in ("body", "orelse", "finalbody")]
        if skip_type_checking and isinstance(node, ast.If):
            if _is_type_checking(node.test):
                blocks = [node.orelse]
            elif isinstance(node.test, ast.UnaryOp) and isinstance(node.test.op, ast.Not):
                blocks = [node.body] if _is_type_checking(node.test.operand) else blocks
        for clause in (*getattr(node, "handlers", []), *getattr(node, "cases", [])):
            blocks.append(clause.body)
        for block in blocks:
            waiting.extend(block)


def _is_type_checking(test: ast.expr) -> bool:
    name = test.id if isinstance(test, ast.Name) else test.attr if isinstance(test, ast.Attribute) else ""
    return name == "TYPE_CHECKING"


def _decode(source: bytes) -> str:
    """The text of a source file by its coding line or byte-order mark, with plain line ends."""
    encoding, _ = tokenize.detect_encoding(io.BytesIO(source).readline)
    return io.TextIOWrapper(io.BytesIO(source), encoding=encoding).read()


def _characters(line: str, byte_column: int) -> int:
    return len(line.encode()[:byte_column].decode())


def _slice(lines: list[str], start: tuple[int, int], end: tuple[int, int]) -> str:
    if start[0] == end[0]:
        return lines[start[0] - 1][start[1] : end[1]]
    middle = lines[start[0] : end[0] - 1]
    return "\n".join([lines[start[0] - 1][start[1] :], *middle, lines[end[0] - 1][: end[1]]])
