"""One consumer instance: wires the parts, handles signals, reports its state to systemd, stops in order.

Stop order, each step bounded: readers stop pulling; senders deliver what is in flight; checkpoints are saved;
the last heartbeat hands the shards over; then everything else ends. The next owner of a shard reads again
what could not be delivered in time.
"""

from __future__ import annotations

import dataclasses
import logging
import random
import signal
import threading
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

from sls_hec_forwarder import settings as configuration
from sls_hec_forwarder.delivery.outbox import Outbox
from sls_hec_forwarder.doctor import checks
from sls_hec_forwarder.errors import RelayError, SettingsError
from sls_hec_forwarder.health.conditions import Conditions
from sls_hec_forwarder.health.facts import Facts
from sls_hec_forwarder.health.model import Health
from sls_hec_forwarder.hec.send.sender import Sender
from sls_hec_forwarder.metrics import Metrics
from sls_hec_forwarder.process import logs
from sls_hec_forwarder.process.signals import Signals
from sls_hec_forwarder.process.systemd import Notifier
from sls_hec_forwarder.settings.model import Settings, SlsSettings
from sls_hec_forwarder.sls.group.consumer import Consumer
from sls_hec_forwarder.spool.spool import Spool
from sls_hec_forwarder.wire import choice
from sls_hec_forwarder.wire.encoder import Encoded
from sls_hec_forwarder.wire.native import NotAvailable
from sls_hec_forwarder.wire.rules import Rules

EXIT_OK = 0
EXIT_FAILED = 1

#: Longest time (seconds) between two checks of signals, threads and the watchdog.
_TURN = 1.0
_STATUS_INTERVAL = 10.0
#: The main thread counts as hanging if it has not turned for so long (seconds).
_HANGS = 30.0
#: First and longest pause (seconds) between two tries to join the group.
_JOIN_RETRY = (1.0, 60.0)
#: Time (seconds) for the senders to end, once nothing more may be sent.
_SENDERS_END = 5.0
#: Time (seconds) for the current step of the start-up check to end; a longer one ends with the process.
_CHECK_END = 0.2
#: How often (seconds) to check for signals while joining; and how long an aborted join may take to end.
_LOOK = 0.1
_ABORTED = 1.0

_log = logging.getLogger(__name__)


class Service:
    """Runs until SIGTERM or SIGINT, the end of a backfill, or a failure that only a restart can fix."""

    def __init__(self, settings: Settings, environ: Mapping[str, str]) -> None:
        self._settings = settings
        self._environ = environ
        self._notifier = Notifier(environ)
        self._signals = Signals()
        self._stop = threading.Event()
        self._checker = threading.Thread(target=self._check, name="start-up-check", daemon=True)

        hec = settings.hec
        try:
            self._encoder = choice.choose(settings.relay.encoder)
        except NotAvailable as problem:
            raise SettingsError([str(problem)]) from problem
        encoder = choice.encoder(self._encoder, rules(settings))

        def encode(data: bytes, shard: int, first_cursor: int | None) -> Encoded:
            return encoder.encode(data, shard=shard, first_cursor=first_cursor, max_bytes=hec.batch_bytes)

        self._outbox = Outbox(
            max_bytes=settings.relay.bytes_in_flight, batch_bytes=hec.batch_bytes, batch_age=hec.batch_age
        )
        self._metrics = Metrics(settings, encoder=self._encoder.name)
        self._conditions = Conditions()
        self._spool = spool(settings)
        self._sender = Sender(
            hec,
            self._outbox,
            conditions=self._conditions,
            observer=self._metrics.hec,
            spool=self._spool,
            drop_unsaved=settings.relay.spool_full == "drop",
            read_token=lambda: self._read_secrets().hec.token,
        )
        self._consumer = Consumer(
            settings,
            settings.sls.consumer,
            encode,
            self._outbox,
            conditions=self._conditions,
            observer=self._metrics.sls,
            reread=self._reread_sls,
        )
        self._health = Health(self._conditions, self._facts)
        self._turned = time.monotonic()
        self._metrics.watch(self._health, self._outbox, self._alive)

    def run(self) -> int:
        """Run until the end; returns the exit status. Call it from the main thread, which alone gets signals.

        Even if it raises, all that it started has been told to end, and no thread keeps the process alive.
        """
        with self._signals, ExitStack() as ends:
            # Run in reverse order, each one even if another raised.
            ends.callback(self._ended)
            ends.callback(self._notifier.close)
            ends.callback(self._metrics.close)
            ends.callback(self._end_check)
            ends.callback(self._end_sender)
            ends.callback(self._outbox.close)
            ends.callback(self._end_consumer)
            self._metrics.start()
            _log.info("encoder: %s", self._encoder)
            self._turn(0.0)
            if self._stop.is_set():  # requested while the program was loading: nothing has begun
                return EXIT_OK
            ends.callback(self._begin_end)
            self._checker.start()
            self._sender.start()
            return self._run() if self._join() else EXIT_OK

    # Life

    def _check(self) -> None:
        """Log what is wrong from the start. The relay does not wait for this: it holds and retries anyway."""
        for finding in checks.check(self._settings):
            if finding.status in (checks.Status.FAILED, checks.Status.WARNING):
                place = f" {finding.where}" if finding.where else ""
                _log.warning("start-up check: %s %s%s: %s", finding.area, finding.what, place, finding.text)
            if self._stop.is_set():
                return

    def _join(self) -> bool:
        """Join the consumer group, however long that takes; False if asked to stop first."""
        trouble = "join_failing"
        pause, longest = _JOIN_RETRY
        while not self._stop.is_set():
            try:
                joined = self._try_to_join()
            except RelayError as problem:  # noqa: PERF203 - a retry is a loop around a try
                self._conditions.begin(trouble, "", str(problem), cause=type(problem).__name__)
                self._tell()
                self._pause(random.uniform(pause / 2, pause))  # noqa: S311 - spreads load, not for security
                pause = min(2 * pause, longest)
            else:
                if joined:
                    self._conditions.end(trouble, "")
                return joined
        return False

    def _try_to_join(self) -> bool:
        """Join in another thread, as signals and the watchdog cannot wait for SLS; False if asked to stop."""
        failures: list[BaseException] = []

        def start() -> None:
            try:
                self._consumer.start()
            except BaseException as problem:  # noqa: BLE001 - raised below, by the main thread
                failures.append(problem)

        thread = threading.Thread(target=start, name="sls-join", daemon=True)
        thread.start()
        while thread.is_alive() and not self._stop.is_set():
            thread.join(_LOOK)
            self._turn(0.0)
        if self._stop.is_set():
            self._consumer.abort()
            thread.join(_ABORTED)
            return False
        if failures:
            raise failures[0]
        return True

    def _pause(self, seconds: float) -> None:
        """Wait, while still handling signals and the watchdog."""
        until = time.monotonic() + seconds
        while not self._stop.is_set() and (left := until - time.monotonic()) > 0:
            self._turn(left)

    def _run(self) -> int:
        ready, next_status = False, 0.0
        while not self._stop.is_set():
            if not self._consumer.alive:
                _log.critical("the heartbeat thread has died; ending, so that the service is started anew")
                return EXIT_FAILED
            if self._consumer.backfill_done:
                _log.info("the backfill is complete")
                return EXIT_OK
            if not ready and self._consumer.last_heartbeat is not None:
                ready = True
                self._notifier.ready(self._status())
                _log.info("member of the consumer group; %s", self._status())
            elif time.monotonic() >= next_status:
                self._tell()
                next_status = time.monotonic() + _STATUS_INTERVAL
            self._turn(_TURN)
        return EXIT_OK

    def _turn(self, longest: float) -> None:
        self._turned = time.monotonic()
        self._health.update()
        watchdog = self._notifier.watchdog_interval
        if watchdog is not None:
            self._notifier.watchdog()
        received = self._signals.wait(min(longest, _TURN, watchdog or _TURN))
        if received & {signal.SIGTERM, signal.SIGINT}:
            self._stop.set()
        elif signal.SIGHUP in received:
            self._reload_secrets()

    # Health

    def _facts(self) -> Facts:
        facts = self._consumer.facts()
        if self._spool is None:
            return facts
        return dataclasses.replace(
            facts, spool_bytes=self._spool.used, spool_limit=self._settings.relay.spool_bytes
        )

    def _alive(self) -> bool:
        """Whether the main thread turns and the heartbeat thread, once it has begun, is running."""
        turning = time.monotonic() - self._turned < _HANGS
        return turning and (self._consumer.last_heartbeat is None or self._consumer.alive)

    def _status(self) -> str:
        self._health.update()
        return self._health.line()

    def _tell(self) -> None:
        self._notifier.status(self._status())

    # The end, step by step

    def _begin_end(self) -> None:
        self._stop.set()
        self._notifier.stopping("delivering what is in flight")
        _log.info("stopping: delivering what is in flight, at most %g s", self._settings.relay.stop_timeout)

    def _end_consumer(self) -> None:
        if not self._consumer.stop():
            _log.warning("stopped before everything was delivered or saved; the next owner repeats it")

    def _end_sender(self) -> None:
        if not self._sender.stop(_SENDERS_END):
            _log.warning("a request was still on its way when the relay stopped; its events may come twice")

    def _end_check(self) -> None:
        if self._checker.ident is not None:
            self._checker.join(_CHECK_END)

    def _ended(self) -> None:
        if self._stop.is_set():
            _log.info("stopped")

    # Secrets

    def _read_secrets(self) -> Settings:
        settings = configuration.reload_secrets(self._settings, self._environ)
        logs.hide(configuration.secrets(settings))
        return settings

    def _reread_sls(self) -> SlsSettings:
        return self._read_secrets().sls

    def _reload_secrets(self) -> None:
        self._notifier.reloading()
        try:
            settings = self._read_secrets()
        except SettingsError as problem:
            _log.error("SIGHUP: %s; the secrets in use stay", problem)
        else:
            self._consumer.reload(settings.sls)
            self._sender.reload()
            _log.info("SIGHUP: secrets were read again")
        self._notifier.ready(self._status())


def rules(settings: Settings) -> Rules:
    """The settings that the encoder needs."""
    sls, hec, relay = settings.sls, settings.hec, settings.relay
    return Rules(
        source=hec.source or f"sls:{sls.project}/{sls.logstore}",
        sourcetype=hec.sourcetype,
        index=hec.index,
        host=hec.event_host,
        topics=hec.topic_rules,
        include=relay.topics_include,
        exclude=relay.topics_exclude,
        unfold=relay.unfold,
        # A server-side query regroups logs: a position in the answer no longer identifies an event.
        identity=relay.identity and not sls.query and not sls.processor,
    )


def spool(settings: Settings) -> Spool | None:
    """Where dead letters go, if the settings name a folder."""
    relay = settings.relay
    return Spool(Path(relay.spool_dir), relay.spool_bytes, settings.sls.consumer) if relay.spool_dir else None
