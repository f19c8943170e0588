"""The steps of `check`; each finding is one line: what, where, and what to do.

Nothing is written to SLS, and nothing is sent to an index unless test events are asked for.
"""

from __future__ import annotations

import contextlib
import dataclasses
import enum
from collections.abc import Iterator, Sequence
from urllib.parse import urlsplit

from sls_hec_forwarder import settings as configuration
from sls_hec_forwarder.doctor import network
from sls_hec_forwarder.doctor.hec_probe import probe
from sls_hec_forwarder.doctor.rights import ActionRight, Right, rights
from sls_hec_forwarder.errors import RelayError
from sls_hec_forwarder.hec.api.target import HecTlsFiles, Target, targets
from sls_hec_forwarder.http.address import Address, Proxy
from sls_hec_forwarder.settings.conflicts import BEATS_PER_TIMEOUT
from sls_hec_forwarder.settings.model import HecSettings, Settings, SlsSettings
from sls_hec_forwarder.sls.api.credentials import credentials_for
from sls_hec_forwarder.sls.api.errors import AuthFailed, ClockSkewed, Denied, SlsError
from sls_hec_forwarder.sls.api.read_client import ConsumerGroup, ReadClient
from sls_hec_forwarder.sls.api.transport import proxy_for
from sls_hec_forwarder.wire import choice
from sls_hec_forwarder.wire.native import NotAvailable
from sls_hec_forwarder.wire.rules import Destination, Rules

#: Most consumer groups of a logstore; from the page of CreateConsumerGroup in the API reference.
GROUP_QUOTA = 30
#: Clock error (seconds) that is a warning: half of the 15 minutes beyond which SLS refuses requests.
_SKEW_WARNING = 450.0
_EXPIRY_WARNING = 21.0  # days
#: Time limit (seconds) for one network step; the running relay waits longer.
_STEP = 10.0


class Status(enum.Enum):
    OK = "ok"
    WARNING = "warning"
    FAILED = "FAILED"
    UNKNOWN = "not checked"


@dataclasses.dataclass(frozen=True)
class Finding:
    """One finding. `area` is "settings", "sls" or "hec"; `text` is one line."""

    area: str
    what: str
    where: str
    status: Status
    text: str


def check(settings: Settings, *, send_test_event: bool = False) -> Iterator[Finding]:
    """All findings in order; steps that depend on a failed one are left out."""
    for warning in configuration.warnings(settings):
        name, _, text = warning.partition(": ")
        yield Finding("settings", name, "", Status.WARNING, text)
    yield check_encoder(settings.relay.encoder)
    yield from check_sls(settings.sls)
    rules = Rules(
        source="",
        sourcetype=settings.hec.sourcetype,
        index=settings.hec.index,
        topics=settings.hec.topic_rules,
        include=settings.relay.topics_include,
        exclude=settings.relay.topics_exclude,
    )
    yield from check_hec(settings.hec, rules.destinations(), send_test_event)


def check_encoder(wanted: str) -> Finding:
    """Which encoder `run` would use."""
    try:
        found = choice.choose(wanted)
    except NotAvailable as problem:
        return Finding("settings", "RELAY_ENCODER", "", Status.FAILED, str(problem))
    return Finding("settings", "RELAY_ENCODER", "", Status.OK, str(found))


# SLS


def check_sls(settings: SlsSettings) -> Iterator[Finding]:
    """The connection to SLS, credentials, clock, project, logstore, permissions, group."""
    settings = dataclasses.replace(settings, timeout=min(settings.timeout, _STEP))
    place = f"{settings.project}/{settings.logstore}"
    proxy = _sls_proxy(settings)
    if proxy:
        host, port = proxy
    else:
        host, port = _sls_address(settings)
    for finding in _way("sls", host, port, "proxy" if proxy else ""):
        yield finding
        if finding.status is Status.FAILED:
            yield Finding("sls", "all else", place, Status.UNKNOWN, "needs a connection")
            return
    with contextlib.ExitStack() as stack:
        credentials = credentials_for(settings)
        stack.callback(credentials.close)
        client = ReadClient(settings, settings.consumer, credentials)
        stack.callback(client.close)
        yield from _service(client, place)


def _sls_address(settings: SlsSettings) -> tuple[str, int]:
    url = settings.endpoint if "://" in settings.endpoint else f"http://{settings.endpoint}"
    parts = urlsplit(url)
    host = parts.hostname or ""
    # The SDK puts the project before any name, but not before a bare IPv4 address (Util.is_row_ip).
    if host != settings.endpoint or not host.replace(".", "").isdigit():
        host = f"{settings.project}.{host}"
    return host, parts.port or (443 if parts.scheme == "https" else 80)


def _sls_proxy(settings: SlsSettings) -> tuple[str, int] | None:
    """The proxy that requests use. None also for an unusable one, which the first request reports."""
    tls = settings.endpoint.lower().startswith("https://")
    try:
        proxy = proxy_for(settings, Address(tls, *_sls_address(settings)))
    except ValueError:
        return None
    return None if proxy is None else (proxy.host, proxy.port)


def _service(client: ReadClient, place: str) -> Iterator[Finding]:
    try:
        shards = len(client.list_shards())
    except Denied:
        shards = None  # reported with the other permissions
    except SlsError as problem:
        yield _first_failure(problem, client.settings, place)
        yield Finding("sls", "all else", place, Status.UNKNOWN, "needs an answer to the first request")
        return
    yield Finding("sls", "credentials", place, Status.OK, "accepted")
    skew = client.clock_skew
    if skew is not None:
        off = f"this machine's clock is {skew:+.0f} s off"
        if abs(skew) > _SKEW_WARNING:
            text = f"{off}: synchronise it, SLS refuses requests that are more than 900 s off"
            yield Finding("sls", "clock", place, Status.WARNING, text)
        else:
            yield Finding("sls", "clock", place, Status.OK, off)
    if shards is not None:
        yield Finding("sls", "project and logstore", place, Status.OK, f"{shards} shards")
    yield from _rights(client, place)
    yield from _group(client, place)
    if client.settings.query or client.settings.processor:
        yield _query(client, place)


def _first_failure(problem: SlsError, settings: SlsSettings, place: str) -> Finding:
    if problem.foreign:  # its message already says where to look
        return Finding("sls", "request", place, Status.FAILED, str(problem))
    what, advice = "request", ""
    if isinstance(problem, ClockSkewed):
        what, advice = "clock", ": synchronise this machine's clock"
    elif isinstance(problem, AuthFailed):
        what, advice = "credentials", ": check SLS_AK_ID, SLS_AK_KEY and SLS_STS_TOKEN"
        if settings.ram_role:  # without a status it comes from the metadata service, with its own advice
            advice = f": check RAM role {settings.ram_role}" if problem.status else ""
    elif problem.code == "ProjectNotExist":
        what, advice = "project", ": check SLS_PROJECT, and that SLS_ENDPOINT is that of its region"
    elif problem.code == "LogStoreNotExist":
        what, advice = "logstore", ": check SLS_LOGSTORE"
    return Finding("sls", what, place, Status.FAILED, f"{problem}{advice}")


def _rights(client: ReadClient, place: str) -> Iterator[Finding]:
    settings = client.settings
    found: dict[Right, list[ActionRight]] = {each: [] for each in Right}
    for each in rights(client):
        found[each.right].append(each)
    denied, granted = found[Right.DENIED], found[Right.GRANTED]
    if denied:
        resource = f"acs:log:*:*:project/{settings.project}/logstore/{settings.logstore}"
        text = f"{_names(denied)}: denied; the RAM user or role needs this on {resource} and {resource}/*"
        yield Finding("sls", "rights", place, Status.FAILED, text)
    elif granted:
        yield Finding("sls", "rights", place, Status.OK, f"{_names(granted)}: allowed")
    for each in found[Right.UNKNOWN]:
        yield Finding("sls", "rights", place, Status.UNKNOWN, f"{each.action}: {each.detail}")
    text = f"{_names(found[Right.UNTRIED])}: needed by `run`, which reports a missing one"
    yield Finding("sls", "rights", place, Status.UNKNOWN, text)


def _names(actions: list[ActionRight]) -> str:
    return ", ".join(each.action for each in actions)


def _group(client: ReadClient, place: str) -> Iterator[Finding]:
    settings = client.settings
    where = f"{place}, group {settings.group}"
    try:
        groups = client.list_groups()
    except Denied:
        return  # reported with the other permissions
    except SlsError as problem:
        yield Finding("sls", "consumer group", where, Status.FAILED, str(problem))
        return
    found = next((group for group in groups if group.name == settings.group), None)
    if found is not None:
        yield from _existing(found, settings, where)
    elif len(groups) >= GROUP_QUOTA:
        names = ", ".join(sorted(group.name for group in groups))
        text = (
            f"cannot be created (ConsumerGroupQuotaExceed): the logstore has {len(groups)} of {GROUP_QUOTA}; "
            f"delete one that is no longer used: {names}"
        )
        yield Finding("sls", "consumer group", where, Status.FAILED, text)
    else:
        text = f"does not exist yet, `run` creates it; the logstore has {len(groups)} of {GROUP_QUOTA}"
        yield Finding("sls", "consumer group", where, Status.OK, text)


def _existing(found: ConsumerGroup, settings: SlsSettings, where: str) -> Iterator[Finding]:
    order = "in order" if found.in_order else "not in order"
    text = f"exists, time-out {found.timeout} s, {order}"
    yield Finding("sls", "consumer group", where, Status.OK, text)
    timeout = settings.group_timeout or found.timeout
    if timeout != found.timeout or (settings.in_order and not found.in_order):
        text = "`run` changes the group to SLS_GROUP_TIMEOUT and SLS_IN_ORDER, for all its members"
        yield Finding("sls", "consumer group", where, Status.WARNING, text)
    if settings.heartbeat_interval * BEATS_PER_TIMEOUT > timeout:
        text = f"SLS_HEARTBEAT_INTERVAL is over a third of the time-out ({timeout} s); a shorter one is used"
        yield Finding("sls", "heartbeat", where, Status.WARNING, text)


def _query(client: ReadClient, place: str) -> Finding:
    settings = client.settings
    what = "query" if settings.query else "processor"
    try:
        shard = client.list_shards()[0].shard
        client.pull(shard, client.cursor(shard, "end"), count=1)
    except (Denied, IndexError):
        return Finding("sls", what, place, Status.UNKNOWN, "cannot be tested")
    except SlsError as problem:
        return Finding("sls", what, place, Status.FAILED, f"{problem}: check SLS_{what.upper()}")
    return Finding("sls", what, place, Status.OK, "accepted")


# HEC


def check_hec(
    settings: HecSettings, destinations: Sequence[Destination], send_test_event: bool
) -> Iterator[Finding]:
    """Each collector: connection, certificate, health, token, acknowledgement, indexes."""
    for target in targets(settings):
        failed = False
        for finding in _way_to_collector(settings, target):
            yield finding
            failed = failed or finding.status is Status.FAILED
        if failed:
            yield Finding("hec", "all else", str(target), Status.UNKNOWN, "needs a connection")
            continue
        only = dataclasses.replace(
            settings, host="", endpoints=(str(target),), timeout=min(settings.timeout, _STEP)
        )
        for probed in probe(only, destinations, send_events=send_test_event):
            if probed.step == "connection" and probed.ok:
                continue  # its steps were reported one by one
            status = {True: Status.OK, False: Status.FAILED, None: Status.UNKNOWN}[probed.ok]
            yield Finding("hec", probed.step, probed.endpoint, status, probed.text)


def _way_to_collector(settings: HecSettings, target: Target) -> Iterator[Finding]:
    if settings.proxy:
        proxy = Proxy.parse(settings.proxy)
        yield from _way("hec", proxy.host, proxy.port, "proxy")
        return
    for finding in _way("hec", target.host, target.port):
        yield finding
        if finding.status is Status.FAILED:
            return
    if target.tls:
        yield _certificate(settings, target)


def _certificate(settings: HecSettings, target: Target) -> Finding:
    where = str(target)
    try:
        context = HecTlsFiles(settings).context()
    except OSError as error:
        text = f"{error}: check HEC_CA_FILE, HEC_CLIENT_CERT and HEC_CLIENT_KEY"
        return Finding("hec", "certificate", where, Status.FAILED, text)
    try:
        sock = network.connect(target.host, target.port, _STEP)
        found = network.handshake(sock, context, target.host, "HEC_CA_FILE")
    except RelayError as problem:
        return Finding("hec", "certificate", where, Status.FAILED, str(problem))
    if found is None:
        return Finding("hec", "certificate", where, Status.WARNING, "not verified (HEC_SSL_VERIFY=false)")
    text = f"trusted, issued by {found.issuer}, valid for {found.days:.0f} more days"
    if found.days < _EXPIRY_WARNING:
        return Finding("hec", "certificate", where, Status.WARNING, f"{text}: renew it")
    return Finding("hec", "certificate", where, Status.OK, text)


# Both


def _way(area: str, host: str, port: int, kind: str = "") -> Iterator[Finding]:
    """Name resolution and TCP; `kind` is "proxy" when the proxy is tested."""
    kind = f"{kind} " if kind else ""
    try:
        addresses = network.resolve(host, port)
    except RelayError as problem:
        yield Finding(area, f"{kind}name", host, Status.FAILED, str(problem))
        return
    yield Finding(area, f"{kind}name", host, Status.OK, ", ".join(addresses))
    where = f"{host}:{port}"
    try:
        network.connect(host, port, _STEP).close()
    except RelayError as problem:
        yield Finding(area, f"{kind}connection", where, Status.FAILED, str(problem))
        return
    yield Finding(area, f"{kind}connection", where, Status.OK, "open")
