"""Puts JSON-LD contexts into the HTTP cache of roc-validator, so that it works offline. Run by the validator's Python.

python fill_cache.py CACHE CONTEXTS    where CONTEXTS is a JSON file: URL -> document
"""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

from requests import PreparedRequest, Response
from requests.adapters import HTTPAdapter
from requests_cache import CachedSession
from urllib3 import HTTPResponse


class Answers(HTTPAdapter):
    """Answers requests from the file."""

    def __init__(self, documents: dict[str, Any]) -> None:
        super().__init__()
        self.documents = documents

    def send(self, request: PreparedRequest, **options: Any) -> Response:
        body = json.dumps(self.documents[str(request.url)]).encode()
        head = {"Content-Type": "application/ld+json"}
        return self.build_response(request, HTTPResponse(io.BytesIO(body), head, 200, preload_content=False))


def main() -> None:
    cache, file = sys.argv[1:]
    documents = json.loads(Path(file).read_text(encoding="utf-8"))
    session = CachedSession(cache_name=cache, backend="sqlite", expire_after=-1)
    session.mount("https://", Answers(documents))
    for url in documents:
        session.get(url).raise_for_status()


if __name__ == "__main__":
    main()
