"""Computes the instances of a host from the consumers in the inventory, and lists all mistakes in them.

A consumer is a mapping: `name`, `settings`, `secrets`, `instances`, `state`, and limits. Settings and
secrets come in layers: all hosts, group, host, consumer. A later layer overrides an earlier one.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleError, AnsibleFilterError
from jinja2 import UndefinedError

KEYS = ("name", "settings", "secrets", "instances", "state", "memory_max", "cpu_quota", "tasks_max")
NAME = re.compile(r"[a-z][a-z0-9-]{0,38}[a-z0-9]")
SETTING = re.compile(r"(SLS|HEC|RELAY)_[A-Z0-9_]+")

#: Secrets; the relay reads each from the file that `<name>_FILE` names.
SECRETS = ("SLS_AK_KEY", "SLS_STS_TOKEN", "HEC_TOKEN", "SLS_AK_ID", "SLS_PROXY", "HEC_PROXY")
#: Secrets that are also allowed in the settings; a proxy only without a password.
OPEN_SECRETS = ("SLS_AK_ID", "SLS_PROXY", "HEC_PROXY")
#: Settings whose value is the path of a file; the text of the file may be given as a secret.
FILES = (
    "SLS_CLIENT_KEY",
    "SLS_CLIENT_CERT",
    "SLS_CA_FILE",
    "HEC_CLIENT_KEY",
    "HEC_CLIENT_CERT",
    "HEC_CA_FILE",
)
#: Settings that are computed from the inventory.
DERIVED = {"SLS_CONSUMER": "it is made of host, consumer and instance"}
#: Settings whose value must differ between the instances of a host.
UNSHARED = ("RELAY_METRICS", "RELAY_LOG_FILE")
#: In the text of a setting, this is replaced with the name of the instance, such as waf-1.
INSTANCE = "{instance}"
#: The default address of an instance's metrics.
METRICS = f"unix:/run/sls-hec-forwarder/{INSTANCE}/metrics.sock"
#: The example files contain this in place of real values.
PLACEHOLDER = "CHANGE_ME"

#: Layers of names and values, the most general first.
Layers = Sequence[Mapping[str, Any]]


def relay_instances(
    consumers: Sequence[Any], host: str, settings: Layers, secrets: Layers, state: str
) -> list[dict[str, Any]]:
    """The instances that `host` runs, each with `id`, `consumer`, `settings` (texts), `secrets` and limits.

    `settings` and `secrets` are the layers below those of the consumers, the most general first. The folder
    `state` contains a folder for each instance. Raises AnsibleFilterError, which lists every problem; no
    problem shows the value of a secret.
    """
    _raise(host, _problems(consumers, settings, secrets))
    instances = _built(consumers, host, settings, secrets, state)
    _raise(host, _shared(instances))
    return instances


def relay_problems(
    consumers: Sequence[Any],
    host: str,
    settings: Layers,
    secrets: Layers,
    state: str,
    stop_timeout: float,
    remove_all: bool = False,
) -> list[str]:
    """The mistakes in the consumers. systemd kills a stopping instance after `stop_timeout` seconds."""
    try:
        problems = list(_kinds(consumers, settings, secrets)) or list(_problems(consumers, settings, secrets))
        if not consumers and not remove_all:
            problems.append(
                "sls_hec_forwarder_consumers is missing or empty, and every consumer of the host would be "
                "removed; if that is meant, say -e sls_hec_forwarder_remove_all_consumers=true"
            )
        if problems:
            return problems
        instances = _built(consumers, host, settings, secrets, state)
    except (AnsibleError, UndefinedError) as error:  # a variable refers to one that is missing or wrong
        return [str(error)]
    problems = list(_shared(instances))
    for instance in instances:
        stop = instance["settings"].get("RELAY_STOP_TIMEOUT", "30")
        # 0 means no limit, as in systemd.
        if stop_timeout and re.fullmatch(r"[0-9.]+", stop) and float(stop) >= float(stop_timeout):
            problems.append(
                f"{instance['id']} may take RELAY_STOP_TIMEOUT = {stop} s to stop, but is killed after "
                f"sls_hec_forwarder_stop_timeout = {stop_timeout} s"
            )
    return problems


def _kinds(consumers: Any, settings: Sequence[Any], secrets: Sequence[Any]) -> Iterator[str]:
    if consumers is not None and not isinstance(consumers, (list, tuple)):
        yield f"sls_hec_forwarder_consumers is a {type(consumers).__name__}; expected a list"
    for what, layers in (("settings", settings), ("secrets", secrets)):
        if not all(layer is None or isinstance(layer, Mapping) for layer in layers):
            yield f"one of sls_hec_forwarder_[group_|host_]{what} is not a mapping of names to values"


def _built(
    consumers: Sequence[Any], host: str, settings: Layers, secrets: Layers, state: str
) -> list[dict[str, Any]]:
    instances = []
    for consumer in consumers or ():
        if consumer.get("state", "present") == "absent":
            continue
        name = consumer["name"]
        hidden = _laid_over([*secrets, consumer.get("secrets") or {}])
        for number in range(1, int(consumer.get("instances", 1)) + 1):
            instance = f"{name}-{number}"
            ours = {
                "RELAY_SPOOL_DIR": f"{state}/{instance}/dead-letters",
                "RELAY_METRICS": METRICS.replace(INSTANCE, instance),
            }
            merged = _laid_over([ours, *settings, consumer.get("settings") or {}])
            texts = {
                key: _text(value).replace(INSTANCE, instance)
                for key, value in sorted(merged.items())
                if key not in hidden
            }
            if texts.get("RELAY_METRICS", "").isdecimal():
                texts["RELAY_METRICS"] = str(int(texts["RELAY_METRICS"]) + number - 1)
            texts["SLS_CONSUMER"] = re.sub(r"[^A-Za-z0-9_]+", "-", f"{host}-{instance}")
            instances.append(
                {
                    "id": instance,
                    "consumer": name,
                    "settings": texts,
                    "secrets": {key: str(value) for key, value in sorted(hidden.items())},
                    **{key: consumer[key] for key in ("memory_max", "cpu_quota") if key in consumer},
                    # The same number may be written in several ways.
                    **{key: int(consumer[key]) for key in ("tasks_max",) if key in consumer},
                }
            )
    return instances


def relay_environment(instance: Mapping[str, Any], credentials: str) -> dict[str, str]:
    """The environment variables of an instance; its secrets are files in the folder `credentials`."""
    environment = dict(instance["settings"])
    for name in instance["secrets"]:
        environment[name if name in FILES else f"{name}_FILE"] = f"{credentials}/{name}"
    return environment


def relay_secret_files(instances: Iterable[Mapping[str, Any]], folder: str) -> dict[str, str]:
    """The text of each secret, by the path of its file: `<folder>/<instance>/<secret>`."""
    return {
        f"{folder}/{instance['id']}/{name}": text
        for instance in instances
        for name, text in instance["secrets"].items()
    }


def relay_names(instances: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, str]]:
    """By consumer and instance: the name of the instance in the consumer group."""
    names: dict[str, dict[str, str]] = {}
    for instance in instances:
        names.setdefault(instance["consumer"], {})[instance["id"]] = instance["settings"]["SLS_CONSUMER"]
    return names


def _raise(host: str, problems: Iterable[str]) -> None:
    listed = "".join(f"\n- {problem}" for problem in problems)
    if listed:
        raise AnsibleFilterError(f"the inventory is wrong for {host}:{listed}")


def _laid_over(layers: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The merged layers; null removes a value of a more general layer."""
    merged: dict[str, Any] = {}
    for layer in layers:
        merged.update(layer or {})
    return {key: value for key, value in merged.items() if value is not None}


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        return json.dumps(value, sort_keys=True, ensure_ascii=False)
    if isinstance(value, (list, tuple)):
        return ",".join(str(each) for each in value)
    return str(value)


def _problems(consumers: Sequence[Any], settings: Layers, secrets: Layers) -> Iterator[str]:
    for layer in settings:
        yield from _settings_problems("the settings of all consumers", layer or {})
    for layer in secrets:
        yield from _secrets_problems("the secrets of all consumers", layer or {})
    names: set[str] = set()
    sources: dict[tuple[str, ...], str] = {}
    for position, consumer in enumerate(consumers or (), start=1):
        if not isinstance(consumer, Mapping):
            yield f"consumer {position} is not a mapping with a name and settings"
            continue
        name = str(consumer.get("name", ""))
        where = f"consumer {name!r}" if name else f"consumer {position}"
        yield from _consumer_problems(where, name, consumer)
        if name in names:
            yield f"{where} is in the list twice"
        names.add(name)
        if consumer.get("state") == "absent":
            continue
        merged = _laid_over([*settings, consumer.get("settings") or {}])
        source = tuple(
            _text(merged.get(key, "")) for key in ("SLS_ENDPOINT", "SLS_PROJECT", "SLS_LOGSTORE", "SLS_CG")
        )
        if all(source[1:]) and source in sources:
            yield (
                f"{where} and consumer {sources[source]!r} read {'/'.join(source[1:3])} in one consumer "
                f"group ({source[3]}): each would get a part of the logs; give one another SLS_CG, or one "
                "consumer more instances"
            )
        sources.setdefault(source, name)


def _shared(instances: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    first: dict[tuple[str, str], str] = {}
    ports = False
    for instance in instances:
        for name in UNSHARED:
            text = instance["settings"].get(name, "off")
            other = first.setdefault((name, text), instance["id"])
            if text in ("", "off") or other == instance["id"]:
                continue
            if name == "RELAY_METRICS" and text.isdecimal():
                ports = True
                continue
            yield (
                f"{other} and {instance['id']} cannot both have {name} = {text}; set it for each "
                f"consumer, or write {INSTANCE} in it"
            )
    if ports:
        yield _ports(instances)


def _ports(instances: Sequence[Mapping[str, Any]]) -> str:
    """The message for instances that share a port; a port cannot contain the name of the instance."""
    having = [each for each in instances if each["settings"].get("RELAY_METRICS", "").isdecimal()]
    free = min(int(each["settings"]["RELAY_METRICS"]) for each in having)
    proposed: dict[str, int] = {}
    for number, each in enumerate(having):
        proposed.setdefault(each["consumer"], free + number)
    return (
        "RELAY_METRICS gives two instances one port; leave it out, and each answers at "
        f"{METRICS.replace(INSTANCE, '<instance>')}, or give each consumer a port of its own in its "
        "settings, each instance takes one: " + ", ".join(f"{name} {port}" for name, port in proposed.items())
    )


def _consumer_problems(where: str, name: str, consumer: Mapping[str, Any]) -> Iterator[str]:
    if not NAME.fullmatch(name):
        yield f"{where}: name is {name!r}; expected 2 to 40 lower-case letters, digits and -, a letter first"
    for key in consumer:
        if key not in KEYS:
            near = difflib.get_close_matches(str(key), KEYS, n=1, cutoff=0.0)[0]
            yield f"{where}: {key} is not known; the nearest is {near}"
    if consumer.get("state", "present") not in ("present", "absent"):
        yield f"{where}: state is {consumer['state']!r}; expected present or absent"
    instances = consumer.get("instances", 1)
    if not re.fullmatch(r"[1-9][0-9]?", str(instances)):
        yield f"{where}: instances is {instances!r}; expected a whole number from 1 to 99"
    tasks = consumer.get("tasks_max", 1)
    if not re.fullmatch(r"[1-9][0-9]*", str(tasks)):
        yield f"{where}: tasks_max is {tasks!r}; expected a whole number from 1"
    for key in ("settings", "secrets"):
        if not isinstance(consumer.get(key) or {}, Mapping):
            yield f"{where}: {key} is not a mapping of names to values"
            return
    yield from _settings_problems(where, consumer.get("settings") or {})
    yield from _secrets_problems(where, consumer.get("secrets") or {})


def _settings_problems(where: str, settings: Mapping[str, Any]) -> Iterator[str]:
    for name, value in settings.items():
        if name in DERIVED:
            yield f"{where}: {name} cannot be set: {DERIVED[name]}"
        elif name in SECRETS and (name not in OPEN_SECRETS or "@" in str(value)):
            yield f"{where}: {name} is a secret; move it from settings to secrets"
        elif not SETTING.fullmatch(str(name)):
            yield f"{where}: {name} is not the name of a setting; they begin with SLS_, HEC_ or RELAY_"
        elif PLACEHOLDER in str(value):
            yield f"{where}: {name} still holds the example's {PLACEHOLDER}"
        elif any(character in str(value) for character in "\n\r\0"):
            yield f"{where}: {name} has more than one line"


def _secrets_problems(where: str, secrets: Mapping[str, Any]) -> Iterator[str]:
    for name, value in secrets.items():
        if name not in SECRETS + FILES:
            yield f"{where}: {name} is not a secret; known are {', '.join(SECRETS + FILES)}"
        elif value is not None and not str(value).strip():
            yield f"{where}: secret {name} is empty"
        elif PLACEHOLDER in str(value):
            yield f"{where}: secret {name} still holds the example's {PLACEHOLDER}"


class FilterModule:
    """The class that Ansible loads."""

    def filters(self) -> dict[str, Any]:
        return {
            "relay_instances": relay_instances,
            "relay_problems": relay_problems,
            "relay_environment": relay_environment,
            "relay_names": relay_names,
            "relay_secret_files": relay_secret_files,
        }
