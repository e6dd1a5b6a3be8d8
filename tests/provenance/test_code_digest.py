"""The code digest: what changes it, what does not, and that every Python agrees."""

from __future__ import annotations

import ast
import hashlib
import json
import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import piretry
from piretry.errors import PiretryError
from piretry.provenance.code import Package, changed_modules, code_digest, code_files, code_parts, significant_tokens

SOURCES = {
    "__init__.py": "",
    "errors.py": "class Error(Exception):\n    pass\n",
    "stages/__init__.py": '"""Stages."""\n',
    "stages/select.py": """
        from __future__ import annotations
        from typing import TYPE_CHECKING
        import importlib
        from toy.tables import sizes
        from ..errors import Error
        if TYPE_CHECKING:
            from toy.runner import Job
        else:
            import toy.untyped

        def run(job: Job) -> None:
            import toy.lazy.deep
            importlib.import_module("toy.methods.retry")
        """,
    "untyped.py": "",
    "runner.py": "X = 1\n",
    "lazy/__init__.py": "from . import helper\n",
    "lazy/helper.py": "from toy.stages import select\n",
    "lazy/deep.py": "",
    "tables/__init__.py": "",
    "tables/sizes.py": "try:\n    import numpy\nexcept ImportError:\n    from toy import fallback\n",
    "fallback.py": "",
    "methods/retry.py": "from toy.methods import base\n",
    "methods/rejection.py": "from toy.methods.base import keep as kept\n",
    "methods/base.py": "def keep(): return 1\n",
    "star.py": "from toy.many import *\n",
    "many/__init__.py": "__all__ = ['one', 'TWO']\nTWO = 2\n",
    "many/one.py": "",
    "many/other.py": "",
    "report/page.html": "<p>{{ claim }}</p>",
}


def toy(folder: Path, **edits: str) -> Package:
    for name, text in SOURCES.items():
        path = folder / "toy" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(edits.get(name.removesuffix(".py").replace("/", "_"), text)))
    return Package(folder / "toy")


def test_the_closure_follows_static_imports_and_nothing_else(tmp_path: Path) -> None:
    assert toy(tmp_path).closure(("toy.stages.select",)) == (
        "toy",
        "toy.errors",  # relative
        "toy.fallback",  # under try
        "toy.lazy",  # the package of a module imported inside a function
        "toy.lazy.deep",
        "toy.lazy.helper",  # imported by that package, and imports the stage again: a cycle
        "toy.stages",
        "toy.stages.select",
        "toy.tables",
        "toy.tables.sizes",  # `from package import module`
        "toy.untyped",  # the else of TYPE_CHECKING; toy.runner, under it, is out
    )


def test_a_module_named_by_the_stage_brings_its_own_imports(tmp_path: Path) -> None:
    package = toy(tmp_path)
    with_method = package.closure(("toy.stages.select", "toy.methods.retry"))
    assert {"toy.methods.retry", "toy.methods.base"} < set(with_method)
    assert "toy.methods.rejection" not in with_method
    assert package.closure(("toy.star",)) == ("toy", "toy.many", "toy.many.one", "toy.star")
    assert package.closure(("toy/report/page.html",)) == ("toy/report/page.html",)


def test_an_edit_reaches_exactly_the_digests_that_use_it(tmp_path: Path) -> None:
    retry = ("toy.stages.select", "toy.methods.retry")
    rejection = ("toy.stages.select", "toy.methods.rejection")
    page = ("toy/report/page.html",)
    before = toy(tmp_path / "a")
    method = toy(tmp_path / "b", methods_retry="from toy.methods import base\nK = 1\n")
    assert method.digest(retry) != before.digest(retry)
    assert method.digest(rejection) == before.digest(rejection)
    shared = toy(tmp_path / "c", methods_base="def keep(): return 2\n")
    assert shared.digest(retry) != before.digest(retry)
    assert shared.digest(rejection) != before.digest(rejection)
    typing_only = toy(tmp_path / "d", runner="X = 2\n")
    assert typing_only.digest(retry) == before.digest(retry)
    (tmp_path / "a" / "toy" / "report" / "page.html").write_text("<b>other</b>")
    assert Package(tmp_path / "a" / "toy").digest(page) != method.digest(page)


PLAIN = """
def area(width, height):
    scale = "# no comment"
    return f"{width * height:>{10}} {scale!r}"

class Box:
    size = 1
"""
SAME = [
    "# a new comment\n" + PLAIN,
    '"""A module docstring."""\n' + PLAIN,
    PLAIN.replace("class Box:\n", 'class Box:\n    """A docstring\n    of two lines, with ü."""\n\n'),
    PLAIN.replace("height):\n", "height):  # why\n    'Docstring ' 'in two parts.'\n\n\n"),
    PLAIN.replace("    return", "\n    # reasons\n\n    return"),
    PLAIN.replace("width, height", "width,\n    height"),
    PLAIN.replace("    ", "\t"),
    PLAIN.replace("\n", "\r\n"),
    PLAIN.replace("width * height", "width * height") + "\n\n\n",
    "\ufeff" + PLAIN,
]
DIFFERENT = [
    PLAIN.replace("# no comment", "# another text"),
    PLAIN.replace("width * height", "width + height"),
    PLAIN.replace("{10}", "{11}"),
    PLAIN.replace("size = 1", "size = 1.0"),
    PLAIN.replace("    return", "return").replace("    scale", "scale").replace("height):", "height): pass"),
    PLAIN.replace("    size = 1", "    'docstring'\n    'an expression'\n    size = 1"),
    PLAIN.replace('f"{width', 'rf"{width'),
]


def digest_of(folder: Path, text: str) -> str:
    folder.mkdir()
    (folder / "toy").mkdir()
    (folder / "toy" / "__init__.py").write_bytes(text.encode())
    return Package(folder / "toy").digest(("toy",))


@pytest.mark.parametrize("text", SAME)
def test_comments_docstrings_blank_lines_and_layout_do_not_count(tmp_path: Path, text: str) -> None:
    assert digest_of(tmp_path / "new", text) == digest_of(tmp_path / "old", PLAIN)


@pytest.mark.parametrize("text", DIFFERENT)
def test_everything_else_counts(tmp_path: Path, text: str) -> None:
    ast.parse(text)
    assert digest_of(tmp_path / "new", text) != digest_of(tmp_path / "old", PLAIN)


def test_coding_lines_are_obeyed(tmp_path: Path) -> None:
    (tmp_path / "toy").mkdir()
    (tmp_path / "toy" / "__init__.py").write_bytes("# -*- coding: latin-1 -*-\nX = 'ü'\n".encode("latin-1"))
    latin = Package(tmp_path / "toy").digest(("toy",))
    assert latin == digest_of(tmp_path / "utf8", "X = 'ü'\n")


@pytest.mark.parametrize(
    ("modules", "message"),
    [
        (("toy.stages.selct",), r"no module 'toy.stages.selct'.*Did you mean 'toy.stages.select'"),
        ((), "A code digest of no module would never change"),
        (("numpy",), r"no module 'numpy'"),
        (("toy/report/pages.html",), r"no module 'toy/report/pages.html'"),
        (("toy/../../secret",), r"'toy/../../secret' is no file of the package"),
    ],
)
def test_what_does_not_exist_is_said(tmp_path: Path, modules: tuple[str, ...], message: str) -> None:
    with pytest.raises(PiretryError, match=message):
        toy(tmp_path).digest(modules)


def test_broken_sources_are_said(tmp_path: Path) -> None:
    gone = toy(tmp_path / "a", untyped="\nimport toy.gone\n")
    with pytest.raises(PiretryError, match=r"untyped\.py, line 2, imports 'toy\.gone', which does not exist"):
        gone.digest(("toy.stages.select",))
    broken = toy(tmp_path / "b", untyped="def (:\n")
    with pytest.raises(PiretryError, match=r"untyped\.py is not valid Python"):
        broken.digest(("toy.stages.select",))


def test_the_digest_does_not_depend_on_the_place_or_the_order(tmp_path: Path) -> None:
    one = toy(tmp_path / "one")
    shutil.copytree(tmp_path / "one" / "toy", tmp_path / "far" / "away" / "toy")
    two = Package(tmp_path / "far" / "away" / "toy")
    names = ("toy.methods.retry", "toy.stages.select")
    assert one.digest(names) == two.digest(names[::-1])


def test_the_public_functions_look_at_the_running_package() -> None:
    files = code_files(["piretry.provenance.record"])
    assert files["piretry.provenance.record"] == Path(piretry.__file__).parent / "provenance" / "record.py"
    assert {"piretry", "piretry.errors", "piretry.provenance", "piretry.provenance.hashing"} < set(files)
    assert "piretry.provenance.audit" not in files  # an edit of the audit reruns nothing
    assert list(code_parts(["piretry.provenance.record"])) == list(files)
    assert code_digest(["piretry.provenance.record"]) != code_digest(["piretry.provenance.audit"])


def test_the_changed_modules_are_named() -> None:
    modules = ("piretry.provenance.layout",)
    then = code_parts(modules)
    assert changed_modules(then, modules) == []
    assert changed_modules({**then, "piretry.provenance.layout": "0" * 16, "piretry.old": "1"}, modules) == [
        "piretry.old",
        "piretry.provenance.layout",
    ]
    assert changed_modules(then, ("piretry.gone", *modules)) == ["piretry.gone"]


TRICKY = r'''
import os
def f(x, y=f"{1!r:>{2 + 3}}", *, z=rf"\d{{{os.sep}}}" f'{"nested"}'):
    """Docstring of f."""
    return (f"""{x
        + 1} and {y:%H:%M} {{}}""" "plain" f"{x=}"), b"\x00", u"ü", f"é{x}ö", "𝛼" f"{x}" # end
async def g(): return [await h async for h in f"{1}"]
match = {"case": 1, **{}}; type = 3
x = 0xFF_FF + 1e5j if match else ... ; y: "int" = x @ x; z = (w := 1)
if x: pass
else:
	y = f"""
{x:{'>'}10}
"""
'''


def other_pythons() -> list[str]:
    """Interpreters beside this one: those on PATH and those that pyenv keeps."""
    found: dict[str, str] = {}
    homes = [*os.get_exec_path(), *(str(p) for p in Path.home().glob(".pyenv/versions/3.*/bin"))]
    for version in ("3.11", "3.12", "3.13"):
        for home in homes:
            path = Path(home) / f"python{version}"
            if version not in found and path.exists() and "shims" not in path.parts:
                found[version] = str(path)
    return [path for version, path in found.items() if version != f"3.{sys.version_info.minor}"]


# Pinned: another value would rerun every cell of every run. Made by Python 3.11, and the same in 3.12 and 3.13.
TRICKY_DIGEST = "638250e06384a8386f07942ea6e33fa2bdb0e4ab1404884e34eb743fdddb8a62"


def tokens_digest(text: str) -> str:
    return hashlib.sha256("\0".join(significant_tokens(text, ast.parse(text))).encode()).hexdigest()


def test_the_digest_of_a_known_source_is_what_it_always_was() -> None:
    assert tokens_digest(TRICKY) == TRICKY_DIGEST


def test_every_python_gives_the_same_digests() -> None:
    """The sources of this package, and one with all kinds of f-strings, in Python 3.11, 3.12 and 3.13."""
    pythons = other_pythons()
    if not pythons:
        pytest.skip("no second Python between 3.11 and 3.13 is installed, so nothing can be compared")
    source = Path(piretry.__file__).parent
    files = sorted((source / "provenance").glob("*.py"))
    program = textwrap.dedent(
        """
        import ast, hashlib, json, sys
        from pathlib import Path
        sys.path.insert(0, sys.argv[1])
        from piretry.provenance.code import Package, significant_tokens
        texts = json.load(sys.stdin)
        tokens = ["\\0".join(significant_tokens(text, ast.parse(text))) for text in texts]
        whole = Package(Path(sys.argv[1]) / "piretry").digest(("piretry.provenance.record",))
        print(json.dumps([*(hashlib.sha256(text.encode()).hexdigest() for text in tokens), whole]))
        """
    )
    texts = [TRICKY, *(path.read_text(encoding="utf-8") for path in files)]
    expected = [*map(tokens_digest, texts), code_digest(["piretry.provenance.record"])]
    for python in pythons:
        answer = subprocess.run(
            [python, "-I", "-W", "ignore", "-c", program, str(source.parent)],
            input=json.dumps(texts),
            capture_output=True,
            encoding="utf-8",
            check=False,
        )
        assert answer.returncode == 0, answer.stderr
        assert json.loads(answer.stdout) == expected, python
