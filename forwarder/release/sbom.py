"""What a release consists of: a bill of materials (CycloneDX 1.6, JSON), and the licences of others' work.

    sbom.py --lock LOCK --wheel WHEEL --site-packages FOLDER... --sbom OUTPUT --licences OUTPUT

Names, versions and hashes come from LOCK; licences and dependencies from the same versions where they are
installed, in one of the FOLDERs. A locked version that is installed in none of them, or has no licence,
is an error: a bill with holes is of no use. From the same files come the same OUTPUTs, but for the time,
which SOURCE_DATE_EPOCH sets.
"""

from __future__ import annotations

import argparse
import datetime
import email.message
import hashlib
import importlib.metadata
import json
import os
import re
import sys
import uuid
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from locks import Pin, normalised, pins

OURS = "sls-hec-forwarder"
#: How packages without an SPDX expression say which licence they have, and what that is called in SPDX.
SPDX = {
    "3-Clause BSD License": "BSD-3-Clause",
    "Apache License 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    **{name: name for name in ("Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "MIT", "MPL-2.0")},
}
_LICENCE_FILE = re.compile(r"(^|/)(licen[cs]e|copying|notice)[^/]*$", re.IGNORECASE)


class Incomplete(Exception):
    """The bill would have a hole; the message names it."""


def licences(metadata: email.message.Message) -> list[dict[str, Any]]:
    """In CycloneDX's form: an expression, a name of SPDX, or what the package itself calls it."""
    expression = metadata.get("License-Expression")
    if expression:
        return [{"expression": expression}] if " " in expression else [{"license": {"id": expression}}]
    said = [metadata.get("License") or ""]
    said += [
        each.rpartition(" :: ")[2]
        for each in metadata.get_all("Classifier", [])
        if each.startswith("License ::")
    ]
    # A whole licence in place of its name is of no use here.
    said = [each.strip() for each in said if each.strip() and "\n" not in each.strip()]
    for each in said:
        if each in SPDX:
            return [{"license": {"id": SPDX[each]}}]
    return [{"license": {"name": each}} for each in said[:1]]


def licence_texts(distribution: importlib.metadata.Distribution) -> list[tuple[str, str]]:
    """Name and text of each file with a licence or notice that came with it."""
    texts = {}
    for path in distribution.files or ():
        inside = path.parts[0].endswith(".dist-info")
        if inside and _LICENCE_FILE.search(str(path)):
            texts[path.name] = path.read_text(encoding="utf-8")
    return sorted(texts.items())


class Bill:
    def __init__(self, lock: Sequence[Pin], folders: Iterable[str]) -> None:
        self.lock = lock
        self._installed = {
            (normalised(each.metadata["Name"]), each.version): each
            for folder in folders
            for each in importlib.metadata.distributions(path=[folder])
        }

    def distribution(self, name: str, version: str) -> importlib.metadata.Distribution:
        try:
            return self._installed[name, version]
        except KeyError:
            raise Incomplete(f"{name} {version} is installed in none of the environments") from None

    def component(self, pin: Pin) -> dict[str, Any]:
        found = licences(self.distribution(pin.name, pin.version).metadata)  # type: ignore[arg-type]
        if not found:
            raise Incomplete(f"{pin.name} {pin.version} does not say which licence it has")
        component = {
            "type": "library",
            "bom-ref": _purl(pin.name, pin.version),
            "name": pin.name,
            "version": pin.version,
            "purl": _purl(pin.name, pin.version),
            "scope": "required",
            # Of each file that may be installed: which one depends on the system.
            "hashes": [{"alg": "SHA-256", "content": each} for each in pin.hashes],
            "licenses": found,
        }
        if pin.marker:
            component["properties"] = [{"name": f"{OURS}:only-where", "value": pin.marker}]
        return component

    def needs(self, name: str, version: str) -> list[str]:
        """References of what is locked of that which this needs."""
        asked = {
            normalised(re.split(r"[^A-Za-z0-9._-]", each, maxsplit=1)[0])
            for each in self.distribution(name, version).requires or ()
            if "extra ==" not in each
        }
        return sorted(_purl(pin.name, pin.version) for pin in self.lock if pin.name in asked)

    def document(self, wheel: Path, when: datetime.datetime) -> dict[str, Any]:
        version = wheel.name.split("-")[1]
        digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
        components = [self.component(pin) for pin in self.lock]
        us = _purl(OURS, version)
        needed = [(us, self.needs(OURS, version))]
        needed += [(_purl(pin.name, pin.version), self.needs(pin.name, pin.version)) for pin in self.lock]
        identity = json.dumps([digest, components], sort_keys=True)
        return {
            "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
            "bomFormat": "CycloneDX",
            "specVersion": "1.6",
            "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, identity)}",
            "version": 1,
            "metadata": {
                "timestamp": when.strftime("%Y-%m-%dT%H:%M:%SZ"),
                "component": {
                    "type": "application",
                    "bom-ref": us,
                    "name": OURS,
                    "version": version,
                    "purl": us,
                    "hashes": [{"alg": "SHA-256", "content": digest}],
                    "licenses": licences(self.distribution(OURS, version).metadata),  # type: ignore[arg-type]
                },
            },
            "components": components,
            "dependencies": [{"ref": ref, "dependsOn": on} for ref, on in needed],
        }

    def licence_page(self) -> str:
        parts = [
            "What is installed with sls-hec-forwarder and was written by others: each package with its\n"
            "licence and the texts that came with it.\n"
        ]
        for pin in self.lock:
            distribution = self.distribution(pin.name, pin.version)
            texts = licence_texts(distribution)
            if not texts:
                raise Incomplete(f"{pin.name} {pin.version} came without the text of its licence")
            (found, *_) = self.component(pin)["licenses"]
            called = found.get("expression") or found["license"].get("id") or found["license"]["name"]
            parts.append(f"{'=' * 79}\n{pin.name} {pin.version}: {called}\n{'=' * 79}\n")
            parts += [f"--- {name} ---\n\n{text.strip()}\n" for name, text in texts]
        return "\n".join(parts)


def _purl(name: str, version: str) -> str:
    return f"pkg:pypi/{name}@{version}"


def _now() -> datetime.datetime:
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    if epoch:
        return datetime.datetime.fromtimestamp(int(epoch), datetime.timezone.utc)
    return datetime.datetime.now(datetime.timezone.utc)


def main() -> None:
    parser = argparse.ArgumentParser(
        description="Writes the bill of materials and the licences of a release."
    )
    parser.add_argument("--lock", type=Path, required=True)
    parser.add_argument("--wheel", type=Path, required=True)
    parser.add_argument("--site-packages", action="append", required=True)
    parser.add_argument("--sbom", type=Path, required=True)
    parser.add_argument("--licences", type=Path, required=True)
    wanted = parser.parse_args()
    try:
        bill = Bill(pins(wanted.lock.read_text(encoding="utf-8")), wanted.site_packages)
        document, page = bill.document(wanted.wheel, _now()), bill.licence_page()
    except (Incomplete, ValueError, OSError) as problem:
        sys.exit(f"sbom: {problem}; nothing was written")
    wanted.sbom.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    wanted.licences.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
