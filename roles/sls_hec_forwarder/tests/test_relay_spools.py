"""Which folders for dead letters an inventory may name."""

from __future__ import annotations

import pytest
from relay_spools import relay_spool_problems

STATE = "/var/lib/sls-hec-forwarder"
OWN = ["/opt/sls-hec-forwarder", "/var/log/sls-hec-forwarder"]


def problems(**spools: str) -> list[str]:
    instances = [{"id": f"{name}-1", "settings": {"RELAY_SPOOL_DIR": path}} for name, path in spools.items()]
    return relay_spool_problems(instances, STATE, OWN)


@pytest.mark.parametrize(
    "path",
    [
        f"{STATE}/waf-1/dead-letters",
        f"{STATE}/waf-1/a/b",
        "/data",
        "/srv/dead-letters",
        "/var/spool/relay",
        "/var/lib/relay_2/x.y+z",
        "/etcetera",
        "/mnt/disk/..relay",
        "",
    ],
)
def test_a_folder_of_its_own_is_accepted(path: str) -> None:
    assert problems(waf=path) == []


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("/etc/relay", "lies in /etc,"),
        ("/etc", "lies in /etc,"),
        ("/usr/share/relay", "lies in /usr,"),
        ("/tmp/spool", "lies in /tmp,"),
        ("/run/spool", "lies in /run,"),
        ("/home/me/spool", "lies in /home,"),
        ("/opt/sls-hec-forwarder/spool", "lies in /opt/sls-hec-forwarder,"),
        ("/opt", "holds /opt/sls-hec-forwarder,"),
        ("/var", "holds /var/lock,"),
        ("/var/lib", f"holds {STATE},"),
        (STATE, f"lies in {STATE},"),
        (f"{STATE}/waf-1", f"lies in {STATE},"),
        (f"{STATE}/other-1/spool", f"lies in {STATE},"),
        (f"{STATE}/waf-10/spool", f"lies in {STATE},"),
        ("/srv", "is for all services"),
        ("/", "is not the absolute path"),
        ("spool", "is not the absolute path"),
        ("/srv/../etc", "is not the absolute path"),
        ("/srv/./x", "is not the absolute path"),
        ("/srv//x", "is not the absolute path"),
        ("/srv/x/", "is not the absolute path"),
        ("/srv/x/..", "is not the absolute path"),
        ("/srv/x /etc", "is not the absolute path"),
        ("/srv/%i", "is not the absolute path"),
        ("/srv/x\n/etc", "is not the absolute path"),
    ],
)
def test_a_folder_that_is_not_the_relays_is_refused(path: str, says: str) -> None:
    (problem,) = problems(waf=path)
    assert problem.startswith(f"waf-1: RELAY_SPOOL_DIR = {path} ")
    assert says in problem
    assert problem.endswith(
        "leave it out, or name a folder of its own such as /srv/sls-hec-forwarder/{instance}"
    )


@pytest.mark.parametrize(
    ("first", "second"), [("/srv/a", "/srv/a/b"), ("/srv/a/b", "/srv/a"), ("/srv/a", "/srv/a")]
)
def test_folders_of_two_instances_lie_apart(first: str, second: str) -> None:
    (problem,) = problems(one=first, two=second)
    assert problem.startswith(f"two-1: RELAY_SPOOL_DIR = {second} ")
    assert "one-1" in problem


def test_names_that_begin_alike_are_no_nesting() -> None:
    assert problems(one="/srv/a", two="/srv/ab", three="/srv/a-b") == []
