"""Settings that are valid but conflict with each other, and those that deserve a warning."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import NamedTuple
from urllib.parse import urlsplit

from sls_hec_forwarder.settings.model import HecSettings, Settings, SlsSettings
from sls_hec_forwarder.wire.rules import covered

#: Fewest heartbeats per group time-out, so that two lost ones in a row cost no shard.
BEATS_PER_TIMEOUT = 3


class Conflict(NamedTuple):
    """`names` are all settings involved; the first is the one to change."""

    names: tuple[str, ...]
    text: str


def conflicts(settings: Settings, given: Collection[str]) -> Iterator[Conflict]:
    """The conflicts; `given` are the names of the settings that differ from their default."""
    yield from _credentials(settings.sls)
    yield from _sls(settings.sls)
    yield from _hec(settings.hec, given)
    yield from _relay(settings)
    for prefix, section in (("SLS", settings.sls), ("HEC", settings.hec)):
        names = (f"{prefix}_CLIENT_CERT", f"{prefix}_CLIENT_KEY")
        if section.client_cert and not section.client_key:
            yield Conflict(
                (names[1], names[0]), "required with a client certificate (it may be the same file)"
            )
        if section.client_key and not section.client_cert:
            yield Conflict(names, "required with a client key")


def _credentials(sls: SlsSettings) -> Iterator[Conflict]:
    names = ("SLS_AK_ID", "SLS_AK_KEY", "SLS_STS_TOKEN", "SLS_RAM_ROLE")
    if sls.ram_role:
        if sls.ak_id or sls.ak_key or sls.sts_token:
            yield Conflict(("SLS_RAM_ROLE", *names[:3]), "set together with an AccessKey; keep one of them")
    elif not sls.ak_id and not sls.ak_key:
        yield Conflict(names, "required with SLS_AK_KEY, or SLS_RAM_ROLE instead of both")
    elif not sls.ak_id:
        yield Conflict(names, "required with SLS_AK_KEY")
    elif not sls.ak_key:
        yield Conflict(("SLS_AK_KEY", *names), "required with SLS_AK_ID")


def _sls(sls: SlsSettings) -> Iterator[Conflict]:
    if sls.auth_version == "v4" and not sls.region:
        yield Conflict(("SLS_REGION", "SLS_AUTH_VERSION"), "required with SLS_AUTH_VERSION=v4")
    if sls.query and sls.processor:
        yield Conflict(("SLS_QUERY", "SLS_PROCESSOR"), "set together with SLS_PROCESSOR; keep one of them")
    host = sls.endpoint.rpartition("/")[2]
    # A project may have the name of a region: cn-hangzhou.log.aliyuncs.com is an endpoint.
    if sls.project and host.startswith(f"{sls.project}.") and ".log." in host[len(sls.project) + 1 :]:
        yield Conflict(
            ("SLS_ENDPOINT", "SLS_PROJECT"), "must not begin with the project, which is added automatically"
        )
    longest = sls.group_timeout / BEATS_PER_TIMEOUT
    if sls.group_timeout and sls.heartbeat_interval > longest:
        yield Conflict(
            ("SLS_HEARTBEAT_INTERVAL", "SLS_GROUP_TIMEOUT"),
            f"at most {longest:g} with SLS_GROUP_TIMEOUT={sls.group_timeout}, so that two lost "
            "heartbeats in a row cost no shard",
        )
    positions = ("SLS_STOP_POSITION", "SLS_START_POSITION")
    if sls.start == "end" and sls.stop == "now":
        yield Conflict(positions, "SLS_START_POSITION=end and now leave nothing to read")
    if sls.stop not in ("", "now") and sls.start not in ("begin", "end") and sls.stop <= sls.start:
        yield Conflict(positions, f"{sls.stop} is not after SLS_START_POSITION, which is {sls.start}")


def _hec(hec: HecSettings, given: Collection[str]) -> Iterator[Conflict]:
    names = ("HEC_HOST", "HEC_ENDPOINTS")
    if hec.host and hec.endpoints:
        yield Conflict(names, "set together with HEC_ENDPOINTS; keep one of them")
    if not hec.host and not hec.endpoints:
        yield Conflict(names, "required, or HEC_ENDPOINTS instead")
    if hec.endpoints and not hec.host:
        for name in ("HEC_PORT", "HEC_HTTPS"):
            if name in given:
                yield Conflict((name, *names), "has no effect with HEC_ENDPOINTS, whose URLs include it")


def _relay(settings: Settings) -> Iterator[Conflict]:
    hec, relay = settings.hec, settings.relay
    if hec.batch_bytes > relay.bytes_in_flight:
        yield Conflict(("HEC_BATCH_BYTES", "RELAY_BYTES_IN_FLIGHT"), "larger than RELAY_BYTES_IN_FLIGHT")
    if not relay.log_console and not relay.log_file:
        yield Conflict(
            ("RELAY_LOG_CONSOLE", "RELAY_LOG_FILE"), "off, and no RELAY_LOG_FILE: nothing would be logged"
        )
    hidden = [topic for topic in relay.topics_include if covered(topic, relay.topics_exclude)]
    if hidden:
        yield Conflict(
            ("RELAY_TOPICS_INCLUDE", "RELAY_TOPICS_EXCLUDE"),
            f"RELAY_TOPICS_EXCLUDE excludes all of {', '.join(hidden)}",
        )
    topics = [rule.topic for rule in hec.topic_rules]
    for number, topic in enumerate(topics):
        if covered(topic, topics[:number]):
            yield Conflict(
                ("HEC_TOPIC_RULES",), f"the rule of {topic} is never reached: the first match wins"
            )


def warnings(settings: Settings) -> list[str]:
    """What works but deserves a warning: clear text, unverified certificates, settings without effect."""
    return list(_warnings(settings))


def _warnings(settings: Settings) -> Iterator[str]:
    sls, hec = settings.sls, settings.hec
    if not sls.endpoint.lower().startswith("https://"):
        yield "SLS_ENDPOINT: without https:// logs travel unencrypted from SLS"
    urls = hec.endpoints or (f"{'https' if hec.https else 'http'}://{hec.host}:{hec.port}",)
    clear = [url for url in urls if urlsplit(url).scheme == "http"]
    if clear:
        name = "HEC_ENDPOINTS" if hec.endpoints else "HEC_HTTPS"
        yield f"{name}: the token and the logs travel unencrypted to {', '.join(clear)}"
    if len(clear) == len(urls):
        for name, value in (("HEC_CA_FILE", hec.ca_file), ("HEC_CLIENT_CERT", hec.client_cert)):
            if value:
                yield f"{name}: has no effect, no collector is reached over TLS"
    elif not hec.ssl_verify:
        yield "HEC_SSL_VERIFY: false lets anybody between here and the collector read the token and the logs"
        if hec.ca_file:
            yield "HEC_CA_FILE: has no effect with HEC_SSL_VERIFY=false"
    if settings.relay.spool_full == "drop" and not settings.relay.spool_dir:
        yield "RELAY_SPOOL_FULL: drop without RELAY_SPOOL_DIR loses every event that the collector refuses"
    if hec.batch_bytes * hec.connections > settings.relay.bytes_in_flight:
        yield (
            f"HEC_CONNECTIONS: {hec.connections} full batches do not fit into RELAY_BYTES_IN_FLIGHT, "
            "some connections stay idle"
        )
