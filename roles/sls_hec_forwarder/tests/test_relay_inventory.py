"""Names that nobody knows, and all that is wrong in one text."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from relay_inventory import relay_refusal, relay_release_problem, relay_unknown

ROLES = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("sls_hec_forwarder_consumer", "sls_hec_forwarder_consumers"),
        ("sls_hec_forwarder_settled_timeot", "sls_hec_forwarder_settled_timeout"),
        ("sls_hec_forwarder_install_keeep", "sls_hec_forwarder_install_keep"),
        ("python_runtime_metod", "python_runtime_method"),
        ("time_sync_server", "time_sync_servers"),
        # The prefix itself can be misspelt.
        ("sls_hec_fowarder_consumers", "sls_hec_forwarder_consumers"),
    ],
)
def test_a_misspelt_variable_is_refused_with_the_one_that_was_meant(name: str, meant: str) -> None:
    (problem,) = relay_unknown([name, "ansible_user"], str(ROLES))
    assert problem.startswith(f"{name} is not known; the nearest is {meant}")


def test_variables_of_others_are_nobodys_business() -> None:
    names = ["ansible_host", "vault_hec_token", "my_time_sync_servers", "_sls_hec_forwarder_systemd", "sls"]
    assert relay_unknown(names, str(ROLES)) == []


@pytest.mark.parametrize(
    "role", sorted(path.parent.parent.name for path in ROLES.glob("*/defaults/main.yml"))
)
def test_every_default_is_known_and_described(role: str) -> None:
    defaults = yaml.safe_load((ROLES / role / "defaults/main.yml").read_text())
    assert relay_unknown(defaults, str(ROLES)) == []
    described = yaml.safe_load((ROLES / role / "meta/argument_specs.yml").read_text())["argument_specs"]
    assert set(described["main"]["options"]) == set(defaults)


def test_a_release_that_is_not_there_is_refused_with_those_that_are() -> None:
    assert relay_release_problem("2", "a", ["1", "2"]) == ""
    assert relay_release_problem("3", "a", ["2", "1"]) == "a: release 3 is not installed; it has 1, 2"
    assert relay_release_problem("3", "a", []).endswith("it has none; site.yml installs one")
    for nothing in ("", "none"):
        assert "no release is known to have run there before" in relay_release_problem(nothing, "a", ["1"])


def test_what_all_hosts_have_is_said_once() -> None:
    text = relay_refusal({"relay-1": ["a", "b"], "relay-2": ["a"]})
    assert text.splitlines()[1:] == ["- a", "- relay-1: b"]
    assert relay_refusal({"relay-1": [], "relay-2": []}) == ""
