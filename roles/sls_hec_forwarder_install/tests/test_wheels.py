"""What is installed is what the controller says, whatever the archive of wheels says of itself.

Installs with pip as the role does: its command line is taken from the role's own tasks.
"""

from __future__ import annotations

import base64
import hashlib
import io
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from ansible.errors import AnsibleFilterError
from relay_wheels import (
    relay_build_problem,
    relay_requirements,
    relay_wheel_digests,
    relay_wheels_problem,
)

ROLE = Path(__file__).parent.parent
LOCK = (ROLE.parent.parent / "forwarder" / "requirements" / "runtime.txt").read_text()
BUILT = yaml.safe_load((ROLE / "vars" / "main.yml").read_text())["_sls_hec_forwarder_install_built"]


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def wheel(name: str, text: str = "here = True\n") -> bytes:
    """A wheel of version 1.0 with one module."""
    info = f"{name}-1.0.dist-info"
    files = {
        f"{name}.py": text,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(
        f"{path},sha256={base64.urlsafe_b64encode(hashlib.sha256(body.encode()).digest()).decode().rstrip('=')},{len(body)}\n"
        for path, body in files.items()
    )
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for path, body in {**files, f"{info}/RECORD": f"{record}{info}/RECORD,,\n"}.items():
            archive.writestr(zipfile.ZipInfo(path), body)
    return packed.getvalue()


class Site:
    """A controller with a lock and an archive: `pure` has its hash in the lock, `lz4` was built."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.archive = folder / "wheels.tar"
        self.wheels = {"pure": wheel("pure"), "lz4": wheel("lz4"), "relay": wheel("relay")}
        self.lock = (
            f"pure==1.0 ; python_version > '3' \\\n    --hash=sha256:{'0' * 64} \\\n    --hash=sha256:"
            + (f"{sha256(self.wheels['pure'])}\nlz4==1.0 \\\n    --hash=sha256:{'1' * 64}\n")
        )
        self.relay = f"relay==1.0 --hash=sha256:{sha256(self.wheels['relay'])}"

    def pack(self, **more: str) -> None:
        """Everything but the relay, and `more` files."""
        with tarfile.open(self.archive, "w") as archive:
            packed = {
                f"{name}-1.0-py3-none-any.whl": body for name, body in self.wheels.items() if name != "relay"
            }
            for name, body in {**packed, **{name: text.encode() for name, text in more.items()}}.items():
                member = tarfile.TarInfo(f"./{name}")
                member.size = len(body)
                archive.addfile(member, io.BytesIO(body))

    def note(self) -> None:
        Path(f"{self.archive}.digests").write_text(relay_wheel_digests(str(self.archive), self.lock, BUILT))

    def install(self) -> subprocess.CompletedProcess[str]:
        parts = self.folder / "parts"
        (parts / "wheels").mkdir(parents=True, exist_ok=True)
        with tarfile.open(self.archive) as archive:
            for member in archive:
                content = archive.extractfile(member)
                assert content is not None
                (parts / "wheels" / member.name).write_bytes(content.read())
        (parts / "wheels" / "relay-1.0-py3-none-any.whl").write_bytes(self.wheels["relay"])
        (parts / "requirements.txt").write_text(
            relay_requirements(self.lock, Path(f"{self.archive}.digests").read_text(), self.relay)
        )
        return subprocess.run(
            [*install_command(parts), "--target", str(self.folder / "installed")],
            capture_output=True,
            text=True,
            timeout=120,
            umask=0o077,
        )


def install_command(parts: Path) -> list[str]:
    """As in the role's tasks, with this interpreter."""
    tasks = yaml.safe_load((ROLE / "tasks" / "release.yml").read_text())
    (block,) = (task["block"] for task in tasks if "block" in task)
    (argv,) = (task["ansible.builtin.command"]["argv"] for task in block if task["name"] == "Install into it")
    (says,) = (
        task["ansible.builtin.copy"]
        for task in block
        if task["name"] == "Write the hashes that the wheels must have"
    )
    assert says["content"] == "{{ _sls_hec_forwarder_install_requirements }}"
    path = "{{ __sls_hec_forwarder_install_parts.path }}"
    assert f"--requirement={says['dest']}" in argv
    shell, (_, *options) = argv[:3], argv[3:]
    return [*shell, sys.executable, *(each.replace(path, str(parts)) for each in options)]


@pytest.fixture
def site(tmp_path: Path) -> Site:
    made = Site(tmp_path)
    made.pack()
    made.note()
    return made


def test_wheels_that_nobody_changed_are_installed(site: Site) -> None:
    assert relay_wheels_problem(str(site.archive)) == ""
    done = site.install()
    assert done.returncode == 0, done.stderr
    assert {path.name for path in (site.folder / "installed").glob("*.py")} == {
        "pure.py",
        "lz4.py",
        "relay.py",
    }


def test_others_can_read_what_root_installs_whatever_its_umask_is(site: Site) -> None:
    done = site.install()
    assert done.returncode == 0, done.stderr
    installed = list((site.folder / "installed").rglob("*"))
    assert len(installed) > 10
    assert [path for path in installed if path.stat().st_mode & 0o004 == 0] == []


@pytest.mark.parametrize("name", ["pure", "lz4", "relay"])
def test_a_changed_wheel_is_refused_whatever_the_archive_says_of_it(site: Site, name: str) -> None:
    """The wheel stays a right one, but for one letter; the archive's own list of hashes changes with it."""
    site.wheels[name] = wheel(name, "here = true\n")
    own = "".join(f"{each}==1.0 --hash=sha256:{sha256(body)}\n" for each, body in site.wheels.items())
    site.pack(**{"requirements.txt": own})
    if name != "relay":
        assert "is not what it was" in relay_wheels_problem(str(site.archive))
    # And even if that were overlooked:
    done = site.install()
    assert done.returncode != 0
    assert "DO NOT MATCH THE HASHES" in done.stderr
    assert not (site.folder / "installed").exists()


def test_each_byte_of_the_archive_counts(site: Site) -> None:
    whole = site.archive.read_bytes()
    for position in range(0, len(whole), 97):
        changed = bytearray(whole)
        changed[position] ^= 1
        site.archive.write_bytes(changed)
        assert "is not what it was" in relay_wheels_problem(str(site.archive)), position
    site.archive.write_bytes(whole)
    assert relay_wheels_problem(str(site.archive)) == ""


@pytest.mark.parametrize("digests", [None, "", "archive sha256:12\n", "lz4==1.0 --hash=sha256:" + "0" * 64])
def test_an_archive_without_its_digest_is_refused(site: Site, digests: str | None) -> None:
    noted = Path(f"{site.archive}.digests")
    noted.unlink()
    if digests is not None:
        noted.write_text(digests)
    assert str(noted) in relay_wheels_problem(str(site.archive))


def test_a_wheel_that_an_index_has_is_noted_only_as_the_lock_has_it(site: Site) -> None:
    site.wheels["pure"] = wheel("pure", "here = 1\n")
    site.pack()
    with pytest.raises(
        AnsibleFilterError, match=r"pure-1\.0-py3-none-any\.whl, which is not what the lock says"
    ):
        site.note()


def test_a_wheel_that_the_lock_does_not_name_is_not_noted(site: Site) -> None:
    site.wheels["zstd"] = wheel("zstd")
    site.pack()
    with pytest.raises(AnsibleFilterError, match="not what the lock says"):
        site.note()


def link(archive: tarfile.TarFile) -> None:
    member = tarfile.TarInfo("./lz4-1.0-py3-none-any.whl")
    member.type, member.linkname = tarfile.SYMTYPE, "/etc/shadow"
    archive.addfile(member)


def outside(archive: tarfile.TarFile) -> None:
    archive.addfile(tarfile.TarInfo("../lz4-1.0-py3-none-any.whl"))


def device(archive: tarfile.TarFile) -> None:
    member = tarfile.TarInfo("./lz4-1.0-py3-none-any.whl")
    member.type = tarfile.CHRTYPE
    archive.addfile(member)


def script(archive: tarfile.TarFile) -> None:
    archive.addfile(tarfile.TarInfo("./sitecustomize.py"))


@pytest.mark.parametrize("add", [link, outside, device, script])
def test_an_archive_with_anything_else_in_it_is_not_kept(
    site: Site, add: Callable[[tarfile.TarFile], None]
) -> None:
    with tarfile.open(site.archive, "w") as archive:
        add(archive)
    with pytest.raises(AnsibleFilterError, match="is no wheel"):
        site.note()


def test_digests_that_the_lock_does_not_name_are_refused() -> None:
    with pytest.raises(AnsibleFilterError, match="lz4==2"):
        relay_requirements("lz4==1 --hash=sha256:" + "1" * 64, "lz4==2 sha256:" + "0" * 64, "relay==1")


@pytest.mark.parametrize(
    "lock", ["lz4==1", "lz4>=1 --hash=sha256:" + "1" * 64, "-r other.txt", "lz4 @ file:///tmp/x"]
)
def test_a_lock_that_pins_nothing_is_refused(lock: str) -> None:
    with pytest.raises(AnsibleFilterError, match="pins nothing by hash"):
        relay_requirements(lock, "", "relay==1")


def test_the_lock_of_the_relay_is_passed_on_whole() -> None:
    lines = relay_requirements(LOCK, "lz4==4.4.5 sha256:" + "0" * 64, "relay==1").splitlines()
    assert len(lines) == LOCK.count("==") - LOCK.count("python_full_version ==") + 1
    assert sum(line.count("--hash=") for line in lines) == LOCK.count("--hash=") + 1
    assert [line for line in lines if "0" * 64 in line and line.startswith("lz4==4.4.5 ")]
    assert set(BUILT) <= {line.partition("==")[0] for line in lines}


@pytest.mark.parametrize(
    ("output", "cause"),
    [
        (
            "  error: subprocess-exited-with-error\n  gcc -c x.c\n  x.c: In function ‘f’:\n"
            "  x.c:12:3: error: passing argument 1 of ‘g’ from incompatible pointer type [-Wx]\n"
            "  error: command '/usr/bin/gcc' failed\nERROR: Failed to build one or more wheels\n",
            "x.c:12:3: error: passing argument 1 of ‘g’ from incompatible pointer type [-Wx]",
        ),
        (
            "a.c:1:10: fatal error: Python.h: No such file or directory\nERROR: Failed\n",
            "a.c:1:10: fatal error: Python.h: No such file or directory",
        ),
        (
            "cc1: error: x\na.c:1:2: error: y\nOSError: [Errno 28] No space left on device\n",
            "OSError: [Errno 28] No space left on device",
        ),
        ("E: Unable to locate package pypy3-dev\n", "E: Unable to locate package pypy3-dev"),
        ("  error: no compiler\nERROR: Failed to build lz4\n", "error: no compiler"),
        ("first\n\nlast\n\n", "last"),
        (" \n", "it said nothing"),
    ],
)
def test_of_a_failed_build_the_cause_is_told(output: str, cause: str) -> None:
    assert relay_build_problem(output) == cause
