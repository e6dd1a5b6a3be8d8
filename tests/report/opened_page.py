"""A page opened in a real Chromium, with everything that it said and asked for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = next(
    (p for p in map(Path, ("/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome")) if p.exists()),
    None,
)
needs_browser = pytest.mark.skipif(
    CHROMIUM is None,
    reason="NO BROWSER: the page was not opened in Chromium (apt-get install chromium runs these tests)",
)


class Opened:
    """A page with everything that it said (console, errors) and asked for (requests)."""

    def __init__(self, browser: Any, path: Path, width: int, scheme: str, script: bool, zoom: float = 1) -> None:
        self.said: list[str] = []
        self.asked: list[str] = []
        self.context = browser.new_context(
            viewport={"width": width, "height": 900},
            device_scale_factor=zoom,
            color_scheme=scheme,
            reduced_motion="reduce",
            java_script_enabled=script,
            accept_downloads=True,
        )
        self.page = self.context.new_page()
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(path.as_uri())

    def unfold(self) -> None:
        """Open every folded part."""
        self.page.evaluate("document.querySelectorAll('details').forEach((node) => { node.open = true; })")


@contextmanager
def opening(
    browser: Any, path: Path, width: int = 1280, scheme: str = "light", script: bool = True, zoom: float = 1
) -> Iterator[Opened]:
    """The page at `path` as long as it is needed. `zoom` is that of the browser: `width` is in CSS pixels."""
    found = Opened(browser, path, width, scheme, script, zoom)
    try:
        yield found
    finally:
        found.context.close()
