"""From an inventory to what one host runs. What is refused is a table of the scenario `refuse`."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from relay_instances import (
    relay_environment,
    relay_instances,
    relay_names,
    relay_problems,
    relay_secret_files,
)

STATE = "/var/lib/relay"
SOURCE = {"SLS_PROJECT": "audit", "SLS_LOGSTORE": "trail", "SLS_CG": "splunk"}


def consumer(**more: Any) -> dict[str, Any]:
    return {"name": "trail", "settings": SOURCE, **more}


def one(*layers: dict[str, Any], secrets: tuple[dict[str, Any], ...] = (), **more: Any) -> dict[str, Any]:
    (instance,) = relay_instances([consumer(**more)], "relay-1", layers, secrets, STATE)
    return instance


def test_the_particular_wins_over_the_general() -> None:
    instance = one(
        {"HEC_URL": "a", "HEC_INDEX": "a", "HEC_SOURCE": "a"},
        {"HEC_INDEX": "b", "HEC_SOURCE": "b"},
        settings={**SOURCE, "HEC_SOURCE": "c"},
    )
    assert {name: text for name, text in instance["settings"].items() if name.startswith("HEC_")} == {
        "HEC_URL": "a",
        "HEC_INDEX": "b",
        "HEC_SOURCE": "c",
    }


def test_null_takes_away_what_is_set_for_all() -> None:
    assert "HEC_INDEX" not in one({"HEC_INDEX": "a"}, {"HEC_INDEX": None})["settings"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "true"),
        (False, "false"),
        (5, "5"),
        (["a", "b"], "a,b"),
        ({"b": {"index": "ü"}, "a": 1}, '{"a": 1, "b": {"index": "ü"}}'),
    ],
)
def test_values_as_yaml_become_the_texts_of_settings(value: object, text: str) -> None:
    assert one({"HEC_EXAMPLE": value})["settings"]["HEC_EXAMPLE"] == text


def test_each_instance_has_a_name_of_its_own_in_the_group() -> None:
    both = relay_instances([consumer(instances=2)], "relay-1.example.com", [], [], STATE)
    assert relay_names(both) == {
        "trail": {"trail-1": "relay-1-example-com-trail-1", "trail-2": "relay-1-example-com-trail-2"}
    }


def test_an_absent_consumer_has_no_instance() -> None:
    assert relay_instances([consumer(state="absent")], "relay-1", [], [], STATE) == []


def test_each_instance_keeps_dead_letters_in_a_folder_of_its_own() -> None:
    both = relay_instances([consumer(instances=2)], "relay-1", [], [], STATE)
    assert [each["settings"]["RELAY_SPOOL_DIR"] for each in both] == [
        "/var/lib/relay/trail-1/dead-letters",
        "/var/lib/relay/trail-2/dead-letters",
    ]
    assert one({"RELAY_SPOOL_DIR": "/data"})["settings"]["RELAY_SPOOL_DIR"] == "/data"
    assert "RELAY_SPOOL_DIR" not in one({"RELAY_SPOOL_DIR": None})["settings"]


def several(instances: int, **settings: object) -> list[dict[str, Any]]:
    return relay_instances(
        [consumer(instances=instances, settings={**SOURCE, **settings})], "relay-1", [], [], STATE
    )


def test_a_setting_can_name_the_instance() -> None:
    both = several(2, RELAY_METRICS="unix:/run/{instance}/metrics", HEC_TOPIC_RULES={"a": {"host": "{b}"}})
    assert [each["settings"]["RELAY_METRICS"] for each in both] == [
        "unix:/run/trail-1/metrics",
        "unix:/run/trail-2/metrics",
    ]
    assert both[0]["settings"]["HEC_TOPIC_RULES"] == '{"a": {"host": "{b}"}}'


def test_a_port_is_that_of_the_first_instance() -> None:
    ports = [each["settings"]["RELAY_METRICS"] for each in several(3, RELAY_METRICS=9464)]
    assert ports == ["9464", "9465", "9466"]


def test_what_two_processes_cannot_share_is_refused() -> None:
    both = [consumer(), {"name": "waf", "settings": {**SOURCE, "SLS_LOGSTORE": "waf"}}]
    unix = "trail-1 and waf-1 cannot both have RELAY_METRICS = unix:/run/m; .* write {instance} in it"
    with pytest.raises(AnsibleFilterError, match=unix):
        relay_instances(both, "relay-1", [{"RELAY_METRICS": "unix:/run/m"}], [], STATE)
    with pytest.raises(AnsibleFilterError, match="trail-1 and trail-2 cannot both have RELAY_LOG_FILE"):
        several(2, RELAY_LOG_FILE="/var/log/relay.log")
    assert len(several(2, RELAY_METRICS="off")) == 2


def test_one_port_for_all_is_refused_with_what_a_port_needs() -> None:
    three = [
        consumer(instances=2),
        *({"name": name, "settings": {**SOURCE, "SLS_LOGSTORE": name}} for name in ("waf", "sas")),
    ]
    with pytest.raises(AnsibleFilterError) as raised:
        relay_instances(three, "relay-1", [{"RELAY_METRICS": 9464}], [], STATE)
    assert str(raised.value).count("\n") == 1
    assert "leave it out" in str(raised.value)
    assert str(raised.value).endswith("trail 9464, waf 9466, sas 9467")
    assert "{instance}" not in str(raised.value)


def test_each_instance_answers_at_a_socket_of_its_own() -> None:
    assert [each["settings"]["RELAY_METRICS"] for each in several(2)] == [
        "unix:/run/sls-hec-forwarder/trail-1/metrics.sock",
        "unix:/run/sls-hec-forwarder/trail-2/metrics.sock",
    ]
    assert one({"RELAY_METRICS": "off"})["settings"]["RELAY_METRICS"] == "off"


def problems(consumers: Any, *layers: Any, remove_all: bool = False, stop_timeout: float = 90) -> list[str]:
    return relay_problems(consumers, "relay-1", layers, [], STATE, stop_timeout, remove_all)


@pytest.mark.parametrize("consumers", [[], None])
def test_no_consumers_at_all_has_to_be_meant(consumers: object) -> None:
    (problem,) = problems(consumers)
    assert "sls_hec_forwarder_remove_all_consumers=true" in problem
    assert problems(consumers, remove_all=True) == []
    assert problems([consumer(state="absent")]) == []


def test_an_inventory_of_other_kinds_is_refused() -> None:
    assert problems({"name": "waf"}) == ["sls_hec_forwarder_consumers is a dict; expected a list"]
    assert problems([consumer()], ["SLS_CG"]) == [
        "one of sls_hec_forwarder_[group_|host_]settings is not a mapping of names to values"
    ]
    assert problems([consumer()], None) == []


def test_a_stop_that_would_be_cut_short_is_refused() -> None:
    assert len(problems([consumer(instances=2)], {"RELAY_STOP_TIMEOUT": 90})) == 2
    assert problems([consumer()], {"RELAY_STOP_TIMEOUT": 89}) == []


def test_secrets_reach_the_environment_as_paths_only() -> None:
    secrets = {"HEC_TOKEN": "hidden", "HEC_CA_FILE": "pem", "SLS_AK_ID": "id"}
    instance = one({"SLS_AK_ID": "of the settings"}, secrets=(secrets,))
    environment = relay_environment(instance, "/run/here")
    assert instance["secrets"] == secrets
    assert environment["HEC_TOKEN_FILE"] == "/run/here/HEC_TOKEN"
    assert environment["HEC_CA_FILE"] == "/run/here/HEC_CA_FILE"
    assert environment["SLS_AK_ID_FILE"] == "/run/here/SLS_AK_ID"
    assert "SLS_AK_ID" not in environment
    assert "hidden" not in str(environment)


def test_each_instance_has_files_of_its_own_for_its_secrets() -> None:
    both = relay_instances([consumer(instances=2)], "relay-1", [], [{"HEC_TOKEN": "hidden"}], STATE)
    assert relay_secret_files(both, "/etc/x") == {
        "/etc/x/trail-1/HEC_TOKEN": "hidden",
        "/etc/x/trail-2/HEC_TOKEN": "hidden",
    }
