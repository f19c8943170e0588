"""The bill of materials and the licences of a release have everything that is locked."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

FORWARDER = Path(__file__).parents[2]
LOCK = FORWARDER / "requirements" / "runtime.txt"


def site_packages() -> list[str]:
    """Of the environments of the tests, which between them have every locked version."""
    pythons = os.environ["RELAY_TEST_PYTHONS"].split(":")
    ask = "import sysconfig; print(sysconfig.get_path('purelib'))"
    return [
        subprocess.run(
            [each, "-c", ask], capture_output=True, text=True, check=True, timeout=60
        ).stdout.strip()
        for each in pythons
    ]


class Release:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.wheel = folder / "sls_hec_forwarder-0.1.0-py3-none-any.whl"
        with zipfile.ZipFile(self.wheel, "w") as wheel:
            wheel.writestr("sls_hec_forwarder/__init__.py", "")

    def make(self, lock: Path = LOCK, **environment: str) -> subprocess.CompletedProcess[str]:
        folders = [word for each in site_packages() for word in ("--site-packages", each)]
        program: list[str | Path] = [sys.executable, FORWARDER / "release" / "sbom.py"]
        outputs: list[str | Path] = [
            "--sbom",
            self.folder / "sbom.json",
            "--licences",
            self.folder / "licences.txt",
        ]
        return subprocess.run(
            [*program, "--lock", lock, "--wheel", self.wheel, *folders, *outputs],
            env={**os.environ, "SOURCE_DATE_EPOCH": "1790000000", **environment},
            capture_output=True,
            text=True,
            timeout=120,
        )

    @property
    def sbom(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads((self.folder / "sbom.json").read_text())
        return document

    @property
    def licences(self) -> str:
        return (self.folder / "licences.txt").read_text()


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Release:
    made = Release(tmp_path_factory.mktemp("release"))
    done = made.make()
    assert (done.returncode, done.stderr) == (0, "")
    return made


def locked() -> dict[tuple[str, str], set[str]]:
    """The hashes of each locked version, read in another way than the release does."""
    found: dict[tuple[str, str], set[str]] = {}
    for entry in re.split(r"\n(?=\S)", LOCK.read_text().strip()):
        name, version = re.split(r"==| ", entry.split("\\")[0])[:2]
        found[name, version] = set(re.findall(r"--hash=sha256:(\w{64})", entry))
    return found


def test_every_locked_version_is_in_it_with_all_its_hashes(release: Release) -> None:
    components = release.sbom["components"]
    assert {
        (each["name"], each["version"]): {digest["content"] for digest in each["hashes"]}
        for each in components
    } == locked()
    assert len(components) == len(locked()) > 10
    for each in components:
        assert each["purl"] == each["bom-ref"] == f"pkg:pypi/{each['name']}@{each['version']}"
        assert {digest["alg"] for digest in each["hashes"]} == {"SHA-256"}
        assert (each["type"], each["scope"]) == ("library", "required")


def test_every_component_has_a_licence(release: Release) -> None:
    for each in [release.sbom["metadata"]["component"], *release.sbom["components"]]:
        (found,) = each["licenses"]
        assert found.get("expression") or found["license"].get("id") or found["license"]["name"], each["name"]
    named = {each["name"]: each["licenses"] for each in release.sbom["components"]}
    assert named["requests"] == [{"license": {"id": "Apache-2.0"}}]
    assert named["certifi"] == [{"license": {"id": "MPL-2.0"}}]
    assert named["protobuf"] == [{"license": {"id": "BSD-3-Clause"}}]
    assert named["prometheus-client"] == [{"expression": "Apache-2.0 AND BSD-2-Clause"}]


def test_it_is_of_the_form_that_cyclonedx_asks_for(release: Release) -> None:
    sbom = release.sbom
    assert (sbom["bomFormat"], sbom["specVersion"], sbom["version"]) == ("CycloneDX", "1.6", 1)
    assert re.fullmatch(r"urn:uuid:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", sbom["serialNumber"])
    assert sbom["metadata"]["timestamp"] == "2026-09-21T14:13:20Z"
    us = sbom["metadata"]["component"]
    assert (us["type"], us["name"], us["version"]) == ("application", "sls-hec-forwarder", "0.1.0")
    assert us["hashes"] == [
        {"alg": "SHA-256", "content": hashlib.sha256(release.wheel.read_bytes()).hexdigest()}
    ]
    known = {us["bom-ref"], *(each["bom-ref"] for each in sbom["components"])}
    assert len(known) == len(sbom["components"]) + 1
    depends = {each["ref"]: set(each["dependsOn"]) for each in sbom["dependencies"]}
    assert depends.keys() == known
    assert set().union(*depends.values()) <= known
    assert {ref.partition("@")[0] for ref in depends[us["bom-ref"]]} >= {
        "pkg:pypi/aliyun-log-python-sdk",
        "pkg:pypi/prometheus-client",
    }
    # Each is there because something needs it.
    assert set().union(*depends.values()) | {us["bom-ref"]} >= {ref for ref in known if "tzdata" not in ref}


def test_two_of_one_release_are_the_same(release: Release, tmp_path: Path) -> None:
    again = Release(tmp_path)
    again.wheel.write_bytes(release.wheel.read_bytes())
    assert again.make().returncode == 0
    assert (again.sbom, again.licences) == (release.sbom, release.licences)


def test_the_text_of_each_licence_is_there(release: Release) -> None:
    for name, version in locked():
        (section,) = re.findall(
            rf"(?s)^{re.escape(f'{name} {version}')}: \S[^\n]*\n=+\n(.*?)(?=^={{79}}$|\Z)",
            release.licences,
            re.MULTILINE,
        )
        assert re.search("Permission|Redistribution|Licensed|License", section), name
        assert len(section) > 500, name


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("nowhere==1.0 --hash=sha256:" + "0" * 64, "nowhere 1.0 is installed in none of the environments"),
        ("requests==1.0 --hash=sha256:" + "0" * 64, "requests 1.0 is installed in none"),
        ("requests==2.32.5", "locks nothing by hash"),
    ],
)
def test_a_bill_with_a_hole_in_it_is_not_written(tmp_path: Path, line: str, says: str) -> None:
    lock = tmp_path / "lock.txt"
    lock.write_text(line + "\n")
    done = Release(tmp_path).make(lock)
    assert done.returncode != 0
    assert says in done.stderr
    assert "nothing was written" in done.stderr
    assert not (tmp_path / "sbom.json").exists()
    assert not (tmp_path / "licences.txt").exists()
