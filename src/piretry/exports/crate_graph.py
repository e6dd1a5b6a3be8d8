"""The graph of an RO-Crate while it is built: entities by id, each once, on top of the `rocrate` package."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from piretry.errors import PiretryError
from piretry.exports.citation import Citation, Party
from piretry.exports.workflow import media_type
from piretry.provenance.hashing import sha256_file

if TYPE_CHECKING:
    from rocrate.rocrate import ROCrate

CRATE_VERSION = "1.1"
TERMS_CONTEXT = "https://w3id.org/ro/terms/workflow-run/context"
TERMS = "https://w3id.org/ro/terms/workflow-run#"
WORKFLOW_PROFILE = "https://w3id.org/workflowhub/workflow-ro-crate/1.0"
# The profiles of https://w3id.org/ro/wfrun, version 0.5; each rests on those before it.
PROFILES = {
    "https://w3id.org/ro/wfrun/process/0.5": ("Process Run Crate", "0.5"),
    "https://w3id.org/ro/wfrun/workflow/0.5": ("Workflow Run Crate", "0.5"),
    "https://w3id.org/ro/wfrun/provenance/0.5": ("Provenance Run Crate", "0.5"),
    WORKFLOW_PROFILE: ("Workflow RO-Crate", "1.0"),
}
# Terms that the two contexts lack, with their meaning.
EXTRA_TERMS = {"buildInstructions": "https://codemeta.github.io/terms/buildInstructions"}


class Graph:
    """Entities of one crate. Every method returns the id of what it made, to be referred to with `ref`."""

    def __init__(self) -> None:
        try:
            from rocrate.rocrate import ROCrate
        except ImportError:
            raise PiretryError(
                "The crate is written by the package rocrate, which is not installed here. Install it with: "
                "pip install -e '.[export]' (in the checkout)"
            ) from None
        self.crate: ROCrate = ROCrate(version=CRATE_VERSION)
        self.crate.metadata.extra_contexts.append(TERMS_CONTEXT)
        self.crate.metadata.extra_terms.update(EXTRA_TERMS)
        self.parts: list[str] = []
        for profile, (name, version) in PROFILES.items():
            self.add(profile, "CreativeWork", name=name, version=version)

    def __contains__(self, identifier: str) -> bool:
        return identifier in self.crate

    def add(self, identifier: str, kind: str | list[str], /, **properties: Any) -> str:
        """A contextual entity (an action, a person, a value ...); the one that is there, where it is there already."""
        from rocrate.model import ContextEntity

        if identifier not in self.crate:
            entity = ContextEntity(self.crate, identifier, {"@type": kind, **_clean(properties)})
            self.crate.add(entity)
        return identifier

    def file(
        self, path: str, source: Path | bytes, /, kind: str | list[str] = "File", part: bool = True, **properties: Any
    ) -> str:
        """A file of the crate with its size, SHA-256 and media type. `part`: whether the root lists it itself."""
        from rocrate.model import File

        identifier = quote(path)
        if isinstance(source, bytes):
            size, digest, origin = len(source), hashlib.sha256(source).hexdigest(), io.BytesIO(source)
        else:
            size, digest, origin = source.stat().st_size, sha256_file(source), source  # type: ignore[assignment]
        known = {"encodingFormat": media_type(path), "contentSize": str(size), "sha256": digest}
        values = {"@type": kind, **_clean({"name": path, **known, **properties})}
        self.crate.add(File(self.crate, source=origin, dest_path=identifier, properties=values))
        if part:
            self.parts.append(identifier)
        return identifier

    def folder(self, path: str, members: Iterable[str], /, **properties: Any) -> str:
        """A folder of the crate whose files are `members`."""
        from rocrate.model import Dataset

        identifier = quote(path).rstrip("/") + "/"
        values = _clean({"name": f"{path}/", "hasPart": refs(members), **properties})
        self.crate.add(Dataset(self.crate, dest_path=identifier, properties=values))
        self.parts.append(identifier)
        return identifier

    def set(self, identifier: str, /, **properties: Any) -> None:
        """Set properties of an entity that is there."""
        entity = self.crate.get(identifier)
        for name, value in _clean(properties).items():
            entity[name] = value

    def root(self, **properties: Any) -> None:
        """Set the root's properties; its parts are the files and folders added."""
        self.set("./", **properties, hasPart=refs(self.parts), conformsTo=refs(PROFILES))
        self.crate.metadata["conformsTo"] = refs([f"https://w3id.org/ro/crate/{CRATE_VERSION}", WORKFLOW_PROFILE])

    def write(self, folder: Path) -> None:
        """Write the crate's files and ro-crate-metadata.json into the new folder `folder`."""
        self.crate.write(folder)


def add_party(graph: Graph, party: Party, citation: Citation) -> str:
    """The entity of a person or an organisation."""
    identifier = f"https://orcid.org/{party.orcid}" if party.orcid else f"#party/{party.name.replace(' ', '-')}"
    affiliation = None
    if party.affiliation:
        affiliation = ref(
            graph.add(f"#party/{party.affiliation.replace(' ', '-')}", "Organization", name=party.affiliation)
        )
    return graph.add(
        identifier,
        "Organization" if party.organisation else "Person",
        name=party.name,
        url=citation.url if party.organisation else None,
        affiliation=affiliation,
    )


def ref(identifier: str) -> dict[str, str]:
    """A reference to an entity."""
    return {"@id": identifier}


def refs(identifiers: Iterable[str]) -> Any:
    """References to entities, each once; a single one is no list, as RO-Crate 1.1 wants it."""
    return one([ref(identifier) for identifier in dict.fromkeys(identifiers)])


def one(values: list[Any]) -> Any:
    """A list of one value is that value, in JSON-LD as RO-Crate writes it."""
    return values[0] if len(values) == 1 else values


def _clean(properties: dict[str, Any]) -> dict[str, Any]:
    """`properties` without those that say nothing."""
    return {name: value for name, value in properties.items() if value not in (None, "", [], {})}
