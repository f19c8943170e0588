"""The repository is a collection: what its tarball holds, installs and describes."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[1]
GALAXY = yaml.safe_load((ROOT / "galaxy.yml").read_text(encoding="utf-8"))
COLLECTIONS = str(ROOT / "collections")
NAME = f"{GALAXY['namespace']}.{GALAXY['name']}"
ROLES = sorted(path.name for path in (ROOT / "roles").iterdir() if (path / "tasks").is_dir())
#: Of an option in DOCUMENTATION.
KEYS = {"type", "required", "default", "choices", "elements", "description"}


def plugins(kind: str) -> list[str]:
    """The plugins of one kind by what they are called; filters are named by what describes them."""
    pattern = "*.yml" if kind == "filter" else "*.py"
    return sorted(path.stem for path in (ROOT / "plugins" / kind).glob(pattern))


def run(command: str, *arguments: str | Path, **environment: str) -> str:
    """What one of Ansible's commands prints; nothing of this machine's settings is used."""
    done = subprocess.run(
        [Path(sys.executable).parent / command, *arguments],
        env={**os.environ, "NO_COLOR": "1", "ANSIBLE_COLLECTIONS_PATH": COLLECTIONS, **environment},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def build(work: Path, *, backwards: bool = False) -> Path:
    """Built from what git has or would take: a folder in which somebody works holds other things too.

    `backwards` with the files in another order, and with other modes and times.
    """
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    for name in sorted(filter(None, listed.split("\0")), reverse=backwards):
        if (ROOT / name).is_symlink() or (ROOT / name).exists():
            copy = work / "source" / name
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, copy, follow_symlinks=False)
            if backwards and not copy.is_symlink():
                copy.chmod(copy.stat().st_mode & 0o700)
                os.utime(copy, (1_600_000_000, 1_600_000_000))
    # What the README has people make beside it.
    for name in ("ansible-env/bin/python", "relay/bin/python", "relay.env"):
        (work / "source" / name).parent.mkdir(parents=True, exist_ok=True)
        (work / "source" / name).write_text("secret")
    run("ansible-galaxy", "collection", "build", "--output-path", work, work / "source")
    (made,) = work.glob("*.tar.gz")
    return made


@pytest.fixture(scope="module")
def tarball(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("built"))


@pytest.fixture(scope="module")
def elsewhere(tarball: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with nothing in it but the installed collection and an empty configuration."""
    folder = tmp_path_factory.mktemp("elsewhere")
    (folder / "ansible.cfg").write_text("[defaults]\n")
    # Where the checkout's is seen, it counts as installed.
    environment = {"ANSIBLE_CONFIG": str(folder / "ansible.cfg"), "ANSIBLE_COLLECTIONS_PATH": str(folder)}
    run("ansible-galaxy", "collection", "install", "--offline", "-p", folder, tarball, **environment)
    return folder


def test_there_is_one_version() -> None:
    project = (ROOT / "forwarder" / "pyproject.toml").read_text(encoding="utf-8")
    version = re.search(r'^version = "(.+)"$', project, re.MULTILINE)
    newest = re.search(
        r"^## \[?([^\]\s]+)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert version
    assert newest
    assert GALAXY["version"] == version[1]
    assert newest[1] in ("Unreleased", version[1])


def test_the_versions_of_ansible_are_those_that_playbooks_accept() -> None:
    required = yaml.safe_load((ROOT / "meta" / "runtime.yml").read_text())["requires_ansible"]
    (check,) = yaml.safe_load((ROOT / "ansible" / "check_controller.yml").read_text())
    accepted = check["vars"]
    assert required == (
        f">={accepted['controller_ansible_from']}.0,<{accepted['controller_ansible_below']}.0"
    )
    for role in ROLES:
        meta = yaml.safe_load((ROOT / "roles" / role / "meta" / "main.yml").read_text())
        assert meta["galaxy_info"]["min_ansible_version"] == accepted["controller_ansible_from"], role


def test_the_tarball_holds_what_a_roll_out_needs_and_nothing_else(tarball: Path) -> None:
    with tarfile.open(tarball) as archive:
        names = {member.name for member in archive if not member.isdir()}
    top = {name.split("/")[0] for name in names}
    assert top == {
        *("CHANGELOG.md", "FILES.json", "LICENSE", "MANIFEST.json", "README.md", "requirements.txt"),
        *("ansible", "docs", "forwarder", "meta", "playbooks", "plugins", "roles"),
    }
    relay = {name.split("/")[1] for name in names if name.startswith("forwarder/")}
    assert relay == {"README.md", "pyproject.toml", "requirements", "src"}
    assert {f"roles/{role}/README.md" for role in ROLES} <= names
    assert {"forwarder/requirements/runtime.txt", "forwarder/src/sls_hec_forwarder/py.typed"} <= names
    assert [name for name in names if re.search(r"/tests/|conftest|/\.|__pycache__|\.in$", name)] == []


def test_two_that_are_built_and_packed_as_for_a_release_are_equal(tarball: Path, tmp_path: Path) -> None:
    one = Path(shutil.copy(tarball, tmp_path))
    other = build(tmp_path / "elsewhere", backwards=True)
    program = ROOT / "forwarder" / "release" / "repack.py"
    environment = {**os.environ, "SOURCE_DATE_EPOCH": "1790000000"}
    subprocess.run([sys.executable, program, one, other], env=environment, check=True, timeout=60)
    assert one.read_bytes() == other.read_bytes()


def test_it_plays_from_an_empty_folder(elsewhere: Path) -> None:
    host = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    (elsewhere / "hosts.yml").write_text(json.dumps({"relays": {"hosts": {"relay-1": host}}}))
    environment = {
        "ANSIBLE_CONFIG": str(elsewhere / "ansible.cfg"),
        "ANSIBLE_COLLECTIONS_PATH": str(elsewhere),
    }
    inventory = ("-i", elsewhere / "hosts.yml")
    for path in sorted((ROOT / "ansible").glob("*.yml")):
        run("ansible-playbook", *inventory, f"{NAME}.{path.stem}", "--syntax-check", **environment)
    listed = run("ansible-playbook", *inventory, f"{NAME}.site", "--list-tasks", **environment)
    assert {role for role in ROLES if f"{NAME}.{role} : " in listed} == set(ROLES)
    # With the filters and the arguments of a role.
    with pytest.raises(AssertionError, match="every consumer of the host would be removed"):
        run("ansible-playbook", *inventory, f"{NAME}.check_inventory", **environment)


def test_playbooks_and_roles_name_the_collections_own() -> None:
    own = "|".join([*plugins("modules"), *plugins("filter")])
    short = re.compile(rf"^ +(?:{own}):(?: *$| \"{{{{)|\| (?:{own})\b|map\('(?:{own})'", re.MULTILINE)
    texts = [
        *ROOT.glob("roles/*/tasks/*.yml"),
        *ROOT.glob("roles/*/vars/*.yml"),
        *ROOT.glob("roles/*/templates/*"),
    ]
    assert len(texts) > 40
    found = {
        f"{path.relative_to(ROOT)}: {each}" for path in texts for each in short.findall(path.read_text())
    }
    assert found == set()
    for path in ROOT.glob("ansible/*.yml"):
        names = re.findall(r"_role:\n +name: (.+)", path.read_text())
        assert all(name.startswith(f"{NAME}.") for name in names), path.name


@pytest.mark.parametrize("kind", ["module", "filter", "callback"])
def test_every_plugin_is_described(kind: str) -> None:
    names = plugins({"module": "modules"}.get(kind, kind))
    asked = [f"{NAME}.{name}" for name in names]
    described: dict[str, Any] = json.loads(run("ansible-doc", "--json", "--type", kind, *asked))
    assert sorted(described) == asked
    for name, each in described.items():
        assert each["doc"]["short_description"], name
        assert each["doc"]["description"], name
        if kind != "callback":
            assert yaml.safe_load(each["examples"]), name
            assert each["return"], name
            # A comma in the wrong place makes a key of half a sentence.
            for option, about in each["doc"].get("options", {}).items():
                assert set(about) <= KEYS, f"{name}: {option}"
                assert about["description"], f"{name}: {option}"


def test_every_filter_is_described() -> None:
    listed = json.loads(run("ansible-doc", "--json", "--list", "--type", "filter", NAME))
    assert sorted(listed) == [f"{NAME}.{name}" for name in plugins("filter")]


@pytest.mark.parametrize("role", ROLES)
def test_every_entry_point_of_a_role_is_described(role: str) -> None:
    described = json.loads(run("ansible-doc", "--json", "--type", "role", f"{NAME}.{role}"))
    entries = described[f"{NAME}.{role}"]["entry_points"]
    specs = yaml.safe_load((ROOT / "roles" / role / "meta" / "argument_specs.yml").read_text())
    assert set(entries) == set(specs["argument_specs"])
    for name, entry in entries.items():
        assert entry["short_description"], name
        for option, about in entry.get("options", {}).items():
            assert about["description"], f"{name}: {option}"
