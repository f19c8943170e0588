"""What a scrape shows, through real sockets and the official client's own parser."""

from __future__ import annotations

import http.client
import json
import re
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from sls_hec_forwarder.delivery.lease import Fence, Lease
from sls_hec_forwarder.delivery.outbox import Outbox
from sls_hec_forwarder.errors import OperatorError
from sls_hec_forwarder.health.conditions import Conditions
from sls_hec_forwarder.health.facts import Facts, ShardFacts
from sls_hec_forwarder.health.model import Health
from sls_hec_forwarder.hec.observer import HecObserver
from sls_hec_forwarder.metrics import Metrics
from sls_hec_forwarder.metrics.observers import CountingHec, CountingSls
from sls_hec_forwarder.metrics.table import TABLE
from sls_hec_forwarder.settings import HecSettings, RelaySettings, Settings, SlsSettings
from sls_hec_forwarder.sls.observer import Lost, SlsObserver

ENDPOINT = "https://idx1:8088"
DEFINITIONS = {each.name: each for group in TABLE.values() for each in group}


def shard(number: int, lag: float | None, oldest: float | None) -> ShardFacts:
    return ShardFacts(number, "reading", True, lag, oldest, 0.1, 0.1, 0.1)


MEASURED = Facts(
    joined=True,
    heartbeat_age=3.0,
    group_timeout=40.0,
    shards=(shard(3, 4.5, 1.5), shard(4, None, None)),
    spool_bytes=10,
    spool_limit=1000,
)


def watched(metrics: Metrics, facts: Facts = MEASURED, alive: bool = True) -> Conditions:
    """Have `metrics` show an instance of which this was measured; its conditions."""
    conditions = Conditions()
    metrics.watch(Health(conditions, lambda: facts), in_flight(), lambda: alive)
    return conditions


def make(where: str) -> Metrics:
    hec = HecSettings(endpoints=(ENDPOINT,), token="t")
    return Metrics(Settings(SlsSettings(), hec, RelaySettings(metrics=where)), encoder="native")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def metrics() -> Iterator[Metrics]:
    made = make(str(free_port()))
    made.start()
    yield made
    made.close()


def get(metrics: Metrics, path: str) -> tuple[int, str, str]:
    host, port = metrics.address
    try:
        with urllib.request.urlopen(f"http://{host}:{port}{path}", timeout=10) as answer:
            return answer.status, answer.headers["Content-Type"], answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers["Content-Type"], error.read().decode()


def samples(metrics: Metrics) -> dict[str, float]:
    """Every sample by its name and labels, as in `a_total{x="1"}`."""
    found = {}
    for family in text_string_to_metric_families(get(metrics, "/metrics")[2]):
        for sample in family.samples:
            labels = ",".join(f'{name}="{value}"' for name, value in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return found


def in_flight() -> Outbox:
    """An outbox with 100 bytes in flight."""
    outbox = Outbox(max_bytes=1000, batch_bytes=500, batch_age=1.0)
    pull = Lease(0, "MA==", Fence(10)).begin("MQ==", 1, 0.0)
    assert outbox.put(pull, b"x" * 100, 1, 1.0)
    return outbox


def report_everything(metrics: Metrics) -> None:
    """Every call of both observers, once at least."""
    sls, hec = metrics.sls, metrics.hec
    sls.lease_started(3)
    sls.pulled(3, 1000, 5000, 10)
    sls.pulled(3, 0, 0, 0)
    sls.encoded(3, 20, 6000, 2)
    sls.filtered("noise", 7)
    sls.expired(3, Lost("MA==", 12, None, None))
    sls.expired(3, Lost("MA==", None, None, None))
    sls.checkpoint_saved(3)
    sls.failed("pull", "corrupt")
    sls.lease_ended(3, "released")
    hec.sent(ENDPOINT, 200, 0, 20, 6000, 900, 0.02)
    hec.sent(ENDPOINT, 0, None, 20, 6000, 900, 3.0)
    hec.delivered(ENDPOINT, 20, 6000)
    hec.retried(ENDPOINT, 20, 20)
    hec.acknowledged(ENDPOINT, 12, 2.5)
    hec.unacknowledged(ENDPOINT, 8)
    hec.rerouted()
    hec.dead_lettered("refused", 6)
    hec.discarded("oversize")
    hec.dropped(5)
    hec.held(ENDPOINT, True)
    watched(metrics).begin("collector_holding", ENDPOINT, "no token")


@pytest.mark.parametrize(
    ("told", "counts"), [(SlsObserver, CountingSls), (HecObserver, CountingHec)], ids=["sls", "hec"]
)
def test_everything_that_is_told_is_counted(told: type, counts: type) -> None:
    hooks = {name for name in vars(told) if not name.startswith("_")}
    assert hooks <= vars(counts).keys()


def test_names_follow_the_conventions() -> None:
    for name, definition in DEFINITIONS.items():
        assert re.fullmatch(r"sls_hec_[a-z]+(_[a-z]+)*", name)
        assert name.endswith("_total") == (definition.kind == "counter")
        assert not name.endswith(("_count", "_sum", "_bucket", "_created"))


def test_what_is_served_is_what_the_table_says(metrics: Metrics) -> None:
    report_everything(metrics)
    served = {}
    for family in text_string_to_metric_families(get(metrics, "/metrics")[2]):
        if not family.name.startswith("process_"):
            name = f"{family.name}_total" if family.type == "counter" else family.name
            labels = {label for sample in family.samples for label in sample.labels} - {"le"}
            served[name] = (family.type, labels, family.documentation)
    assert served == {name: (each.kind, set(each.labels), each.help) for name, each in DEFINITIONS.items()}


def test_values(metrics: Metrics) -> None:
    report_everything(metrics)
    found = samples(metrics)
    at = f'endpoint="{ENDPOINT}"'
    expected = {
        "sls_hec_pulls_total": 2,
        "sls_hec_pulled_wire_bytes_total": 1000,
        "sls_hec_pulled_bytes_total": 5000,
        "sls_hec_pulled_log_groups_total": 10,
        "sls_hec_events_total": 20,
        "sls_hec_event_bytes_total": 6000,
        "sls_hec_repaired_texts_total": 2,
        'sls_hec_filtered_logs_total{topic="noise"}': 7,
        'sls_hec_expired_ranges_total{shard="3"}': 2,
        'sls_hec_expired_log_groups_total{shard="3"}': 12,
        "sls_hec_checkpoint_saves_total": 1,
        'sls_hec_sls_failures_total{call="pull",kind="corrupt"}': 1,
        "sls_hec_leases_started_total": 1,
        'sls_hec_leases_ended_total{reason="released"}': 1,
        f'sls_hec_requests_total{{code="0",{at},status="200"}}': 1,
        f'sls_hec_requests_total{{code="",{at},status="0"}}': 1,
        f"sls_hec_request_seconds_sum{{{at}}}": 3.02,
        f"sls_hec_sent_bytes_total{{{at}}}": 12000,
        f"sls_hec_sent_wire_bytes_total{{{at}}}": 1800,
        f"sls_hec_delivered_events_total{{{at}}}": 20,
        f"sls_hec_delivered_bytes_total{{{at}}}": 6000,
        f"sls_hec_retried_events_total{{{at}}}": 20,
        f"sls_hec_possible_duplicates_total{{{at}}}": 20,
        f"sls_hec_acknowledged_events_total{{{at}}}": 12,
        f"sls_hec_ack_seconds_sum{{{at}}}": 2.5,
        f"sls_hec_unacknowledged_events_total{{{at}}}": 8,
        "sls_hec_rerouted_events_total": 1,
        'sls_hec_dead_letters_total{reason="refused"}': 1,
        'sls_hec_dead_letters_total{reason="oversize"}': 0,
        'sls_hec_discarded_events_total{reason="oversize"}': 1,
        "sls_hec_dropped_events_total": 5,
        f"sls_hec_holds_total{{{at}}}": 1,
        f"sls_hec_endpoint_holding{{{at}}}": 1,
        "sls_hec_shards_owned": 2,
        "sls_hec_shards_lag_unknown": 1,
        f'sls_hec_condition{{name="collector_holding",severity="critical",subject="{ENDPOINT}"}}': 1,
        'sls_hec_conditions{severity="critical"}': 1,
        'sls_hec_conditions{severity="warning"}': 0,
        "sls_hec_ready": 0,
        "sls_hec_heartbeat_age_seconds": 3,
        "sls_hec_spool_bytes": 10,
        "sls_hec_spool_bytes_limit": 1000,
        'sls_hec_shard_lag_seconds{shard="3"}': 4.5,
        "sls_hec_oldest_undelivered_seconds": 1.5,
        "sls_hec_bytes_in_flight": 100,
        "sls_hec_bytes_in_flight_limit": 1000,
    }
    assert {name: pytest.approx(value) for name, value in expected.items()} == {
        name: found[name] for name in expected
    }
    assert 'sls_hec_shard_lag_seconds{shard="4"}' not in found, "what is not known is not shown as 0"
    [build] = [name for name in found if name.startswith("sls_hec_build_info{")]
    assert found[build] == 1
    assert 'encoder="native"' in build
    assert found["process_resident_memory_bytes"] > 0
    metrics.hec.held(ENDPOINT, False)
    found = samples(metrics)
    assert found[f"sls_hec_endpoint_holding{{{at}}}"] == 0
    assert found[f"sls_hec_holds_total{{{at}}}"] == 1


def test_what_others_make_up_does_not_fill_the_memory(metrics: Metrics) -> None:
    for number in range(1000):
        metrics.sls.filtered(f"topic {number}", 1)
        metrics.hec.sent(ENDPOINT, 200, number, 1, 1, 1, 0.1)
    metrics.sls.filtered("topic 0", 1)
    found = samples(metrics)
    topics = {name: value for name, value in found.items() if name.startswith("sls_hec_filtered_logs_total")}
    assert len(topics) == 51
    assert topics['sls_hec_filtered_logs_total{topic="other"}'] == 950
    assert topics['sls_hec_filtered_logs_total{topic="topic 0"}'] == 2
    assert len([name for name in found if name.startswith("sls_hec_requests_total")]) == 101


def test_labels_that_others_make_up_are_short_and_printable(metrics: Metrics) -> None:
    hostile = ["t" * 1_000_000, "t" * 1_000_001, "\x1b]0;x\x07", "\u202e", "\x9b2J", "a\nb", "a\\nb"]
    conditions = watched(metrics)
    for text in hostile:
        metrics.sls.filtered(text, 1)
        conditions.begin("collector_holding", text, "no token")
    metrics.sls.filtered("\ud800", 1)
    _, _, page = get(metrics, "/metrics")
    assert len(page) < 100_000
    assert all(line.isprintable() for line in page.split("\n"))
    found = samples(metrics)
    names = ("sls_hec_filtered_logs_total", "sls_hec_condition{")
    apart = [len([each for each in found if each.startswith(name)]) for name in names]
    assert apart == [len(hostile) + 1, len(hostile)]


def test_losses_and_holds_are_shown_before_there_are_any(metrics: Metrics) -> None:
    metrics.sls.lease_started(3)
    found = samples(metrics)
    assert found['sls_hec_expired_ranges_total{shard="3"}'] == 0
    assert found[f'sls_hec_holds_total{{endpoint="{ENDPOINT}"}}'] == 0


def test_readiness(metrics: Metrics) -> None:
    assert get(metrics, "/healthz")[0] == 503, "nothing is known yet"
    conditions = watched(metrics)
    status, kind, body = get(metrics, "/healthz")
    assert (status, kind) == (200, "application/json")
    report = json.loads(body)
    assert report["status"] == "ok"
    assert report["shards"]["worst_lag_seconds"] == 4.5
    assert report["shards"]["lag_unknown"] == 1
    conditions.begin("collector_holding", ENDPOINT, "no token: \udcff\x1b[2J")
    status, _, body = get(metrics, "/healthz")
    assert status == 503
    assert [each["name"] for each in json.loads(body)["conditions"]] == ["collector_holding"]
    conditions.end("collector_holding", ENDPOINT)
    assert get(metrics, "/healthz")[0] == 200


def test_what_is_only_a_warning_leaves_it_ready(metrics: Metrics) -> None:
    watched(metrics).begin("acks_missing", ENDPOINT, "none")
    status, _, body = get(metrics, "/healthz")
    assert (status, json.loads(body)["status"]) == (200, "warning")


def test_who_has_not_joined_is_not_ready(metrics: Metrics) -> None:
    watched(metrics, Facts())
    assert get(metrics, "/healthz")[0] == 503
    found = samples(metrics)
    assert found["sls_hec_ready"] == 0
    assert "sls_hec_heartbeat_age_seconds" not in found, "what is not known is not shown as 0"


def test_liveness_is_apart_from_readiness(metrics: Metrics) -> None:
    watched(metrics).begin("collector_holding", ENDPOINT, "no token")
    assert get(metrics, "/livez")[0] == 200
    watched(metrics, alive=False)
    assert get(metrics, "/livez")[0] == 503


def test_nothing_else_is_served(metrics: Metrics) -> None:
    assert get(metrics, "/")[0] == 404
    assert get(metrics, "/metrics/")[0] == 404
    assert get(metrics, "/metrics?x=1")[0] == 200
    host, port = metrics.address
    connection = http.client.HTTPConnection(host, port, timeout=10)
    connection.request("POST", "/metrics", b"")
    assert connection.getresponse().status == 501
    connection.close()


def test_a_unix_socket(tmp_path: Path) -> None:
    path = tmp_path / "metrics"
    left_behind = socket.socket(socket.AF_UNIX)
    left_behind.bind(str(path))
    left_behind.close()
    metrics = make(f"unix:{path}")
    metrics.start()
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(10)
        client.connect(str(path))
        client.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
        answer = b"".join(iter(lambda: client.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.0 200 ")
    assert b"sls_hec_build_info" in answer
    assert path.stat().st_mode & 0o007 == 0
    metrics.close()
    assert not path.exists()


def test_a_file_in_the_way_of_the_socket_stays(tmp_path: Path) -> None:
    (tmp_path / "metrics").write_text("mine")
    with pytest.raises(OperatorError, match="RELAY_METRICS: cannot listen on unix:"):
        make(f"unix:{tmp_path / 'metrics'}").start()
    assert (tmp_path / "metrics").read_text() == "mine"


def test_a_port_that_is_taken(metrics: Metrics) -> None:
    with pytest.raises(OperatorError, match="RELAY_METRICS: cannot listen on "):
        make(str(metrics.address[1])).start()


def test_off_listens_nowhere() -> None:
    metrics = make("off")
    metrics.start()
    assert metrics.address is None
    metrics.close()


def test_close_ends_the_thread_in_spite_of_clients_that_hang() -> None:
    before = set(threading.enumerate())
    metrics = make(str(free_port()))
    metrics.start()
    clients = [socket.create_connection(metrics.address, timeout=10) for _ in range(3)]
    clients[0].sendall(b"GET /met")
    started = time.monotonic()
    metrics.close()
    metrics.close()
    assert time.monotonic() - started < 4, "not the client's time-out, once for each client"
    assert set(threading.enumerate()) == before
    for client in clients:
        client.close()
