"""Variables and secret files become `Settings`, or one error that names everything that is wrong."""

from __future__ import annotations

import dataclasses
import difflib
import os
import re
import socket
from collections.abc import Iterator, Mapping
from typing import Any

from sls_hec_forwarder.errors import SettingsError
from sls_hec_forwarder.settings.model import (
    SECTIONS,
    HecSettings,
    Settings,
    SlsSettings,
    Spec,
    specs,
)
from sls_hec_forwarder.settings.parse import parse

PREFIXES = ("SLS_", "HEC_", "RELAY_")

# SLS drops a consumer whose heartbeats stop for the group's time-out; one lost heartbeat must not be enough.
_BEATS_PER_TIMEOUT = 3
# What a group gets that the relay makes, unless SLS_GROUP_TIMEOUT says otherwise: the SDK's default.
DEFAULT_GROUP_TIMEOUT = 40
# SLS accepts letters, digits, - and _ in the names of groups and consumers; hosts also have dots.
_SLS_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}")


def load(environ: Mapping[str, str]) -> Settings:
    """Settings of one consumer instance from its environment.

    Raises `SettingsError` with every problem found: unknown names, missing and wrong values, values that do
    not go together. No problem repeats the value of a secret.
    """
    problems = list(_unknown(environ))
    sections = {key: _section(section, environ, problems) for key, section in SECTIONS.items()}
    settings = Settings(**sections)
    if not settings.sls.consumer:
        consumer = _host_consumer_name()
        settings = dataclasses.replace(settings, sls=dataclasses.replace(settings.sls, consumer=consumer))
    if not problems:
        # Between values that are each fine; a wrong value would only cause follow-up problems.
        problems += _conflicts(settings)
    if problems:
        raise SettingsError(problems)
    return settings


def reload_secrets(settings: Settings, environ: Mapping[str, str]) -> Settings:
    """The same settings with the secrets read anew from their files.

    Raises `SettingsError` when a file is missing or empty; the old secrets stay good until then.
    """
    problems: list[str] = []
    sections = {}
    for key, section in SECTIONS.items():
        secrets = {
            field.name: _text_of_secret(spec, environ, problems)
            for field, spec in specs(section)
            if spec.secret and environ.get(spec.name + "_FILE")
        }
        sections[key] = dataclasses.replace(getattr(settings, key), **secrets)
    if problems:
        raise SettingsError(problems)
    return Settings(**sections)


def describe(settings: Settings) -> list[tuple[str, str, bool]]:
    """Each setting's name, value as text (secrets masked), and whether it is the default."""
    rows = []
    for key, section in SECTIONS.items():
        for field, spec in specs(section):
            value = getattr(getattr(settings, key), field.name)
            shown = ("(set)" if value else "(unset)") if spec.secret else str(value)
            rows.append((spec.name, shown, value == field.default))
    return rows


def secrets(settings: Settings) -> frozenset[str]:
    """The values that must never be printed."""
    return frozenset(
        value
        for key, section in SECTIONS.items()
        for field, spec in specs(section)
        if spec.secret and (value := getattr(getattr(settings, key), field.name))
    )


def _section(section: type[Any], environ: Mapping[str, str], problems: list[str]) -> Any:
    values: dict[str, Any] = {}
    for field, spec in specs(section):
        text = _text_of_secret(spec, environ, problems) if spec.secret else environ.get(spec.name, "")
        if text.strip():
            try:
                values[field.name] = parse(spec, text)
            except ValueError as error:
                problems.append(f"{spec.name}: expected {error}{_found(spec, text)}")
        elif spec.required and not (spec.secret and environ.get(spec.name + "_FILE")):
            or_file = f" (or {spec.name}_FILE)" if spec.secret else ""
            problems.append(f"{spec.name}{or_file}: required and not set; {spec.help}")
    return section(**values)


def _text_of_secret(spec: Spec, environ: Mapping[str, str], problems: list[str]) -> str:
    file_name = spec.name + "_FILE"
    given, path = environ.get(spec.name, ""), environ.get(file_name, "")
    if not path:
        return given
    if given:
        problems.append(f"{spec.name} and {file_name}: both are set; keep one")
        return ""
    # systemd hands credentials over in a folder that only the service can read (systemd.exec(5)).
    path = os.path.join(environ.get("CREDENTIALS_DIRECTORY", ""), path)
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read(65537)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        problems.append(f"{file_name}: cannot read {path}: {reason}")
        return ""
    if not text.strip():
        problems.append(f"{file_name}: {path} is empty")
    return text.strip()


def _found(spec: Spec, text: str) -> str:
    if spec.secret:
        return ""
    return f", found {text if len(text) <= 80 else text[:77] + '...'!r}"


def known_names() -> dict[str, Spec]:
    """Every variable that may be set, with the `_FILE` form of secrets."""
    names = {}
    for section in SECTIONS.values():
        for _, spec in specs(section):
            names[spec.name] = spec
            if spec.secret:
                names[spec.name + "_FILE"] = spec
    return names


def _unknown(environ: Mapping[str, str]) -> Iterator[str]:
    names = known_names()
    for name in sorted(environ):
        if name.startswith(PREFIXES) and name not in names:
            near = difflib.get_close_matches(name, names, n=1, cutoff=0.0)
            yield f"{name}: unknown setting; the nearest is {near[0]}"


def _host_consumer_name() -> str:
    host = re.sub(r"[^A-Za-z0-9_-]", "-", socket.gethostname()).strip("-_")
    return host[:128] or "relay"


def _conflicts(settings: Settings) -> list[str]:
    return [*_sls_conflicts(settings.sls), *_hec_conflicts(settings.hec), *_relay_conflicts(settings)]


def _sls_conflicts(sls: SlsSettings) -> Iterator[str]:
    if sls.ram_role and (sls.ak_id or sls.ak_key or sls.sts_token):
        yield "SLS_RAM_ROLE: set together with SLS_AK_ID, SLS_AK_KEY or SLS_STS_TOKEN; keep one way"
    if not sls.ram_role and not (sls.ak_id and sls.ak_key):
        yield "SLS_AK_ID and SLS_AK_KEY (or SLS_AK_KEY_FILE): both are required, unless SLS_RAM_ROLE is set"
    if sls.auth_version == "v4" and not sls.region:
        yield "SLS_REGION: required with SLS_AUTH_VERSION=v4, such as cn-hangzhou"
    if sls.query and sls.processor:
        yield "SLS_QUERY and SLS_PROCESSOR: both are set; keep one"
    if sls.client_key and not sls.client_cert:
        yield "SLS_CLIENT_KEY: set without SLS_CLIENT_CERT"
    for name, value in (("SLS_CG", sls.group), ("SLS_CONSUMER", sls.consumer)):
        if not _SLS_NAME.fullmatch(value):
            yield f"{name}: expected letters, digits, - and _, not beginning with - or _, found {value!r}"
    timeout = sls.group_timeout or DEFAULT_GROUP_TIMEOUT
    if sls.heartbeat_interval * _BEATS_PER_TIMEOUT > timeout:
        yield (
            f"SLS_HEARTBEAT_INTERVAL: {sls.heartbeat_interval:g} s is too long for a group time-out of "
            f"{timeout} s; at most a third, so that one lost heartbeat costs no shard"
        )
    if sls.stop.isdigit() and sls.start.isdigit() and int(sls.stop) <= int(sls.start):
        yield "SLS_STOP_POSITION: not after SLS_START_POSITION"
    if sls.stop and sls.start == "end":
        yield "SLS_STOP_POSITION: has no meaning with SLS_START_POSITION=end"


def _hec_conflicts(hec: HecSettings) -> Iterator[str]:
    if bool(hec.host) == bool(hec.endpoints):
        yield "HEC_HOST or HEC_ENDPOINTS: exactly one of them must be set"
    if hec.client_key and not hec.client_cert:
        yield "HEC_CLIENT_KEY: set without HEC_CLIENT_CERT"
    if not hec.token.isascii() or re.search(r"\s", hec.token):
        yield "HEC_TOKEN: expected a token of ASCII characters without spaces"
    if hec.host and re.search(r"[/@?#]", hec.host):
        yield "HEC_HOST: expected a host name or address, not a URL; use HEC_ENDPOINTS for URLs"


def _relay_conflicts(settings: Settings) -> Iterator[str]:
    relay = settings.relay
    if settings.hec.batch_bytes > relay.bytes_in_flight:
        yield "HEC_BATCH_BYTES: larger than RELAY_BYTES_IN_FLIGHT"
    for topic in sorted(set(relay.topics_include) & set(relay.topics_exclude)):
        yield f"RELAY_TOPICS_INCLUDE and RELAY_TOPICS_EXCLUDE: both name the topic {topic!r}"
