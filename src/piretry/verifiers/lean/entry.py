"""Run Lean out of its shared libraries: ``python -I -S entry.py FOLDER [lean's own options]``.

The Python package that brings the libraries has no `lean` program. Its entry point is a C function, called here; it
ends the process itself, so one process serves one call. Standard output is buffered by lines, so that the checker sees
how far Lean has come.
"""

import ctypes
import sys
from pathlib import Path

#: in the order in which they need one another
LIBRARIES = ("libInit_shared.so", "libleanshared_2.so", "libleanshared_1.so", "libleanshared.so")
_LINE_BUFFERED = 1  # _IOLBF of glibc and musl


def main(folder: str, options: list[str]) -> int:
    """Load the libraries of `folder` and call Lean's main function with `options`."""
    libc = ctypes.CDLL(None)
    stdout = ctypes.c_void_p.in_dll(libc, "stdout")
    libc.setvbuf(stdout, None, ctypes.c_int(_LINE_BUFFERED), ctypes.c_size_t(0))
    for name in LIBRARIES:
        library = ctypes.CDLL(str(Path(folder) / name), mode=ctypes.RTLD_GLOBAL)
    arguments = [b"lean", *(option.encode() for option in options)]
    return library.lean_main(len(arguments), (ctypes.c_char_p * (len(arguments) + 1))(*arguments, None))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
