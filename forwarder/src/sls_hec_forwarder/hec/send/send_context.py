"""What the sending threads of a process share."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Callable

from sls_hec_forwarder.delivery.outbox import Outbox
from sls_hec_forwarder.health.conditions import Conditions
from sls_hec_forwarder.hec.api.token import Token
from sls_hec_forwarder.hec.observer import HecObserver
from sls_hec_forwarder.hec.send.dead_letters import DeadLetters
from sls_hec_forwarder.hec.send.outcomes import Policy
from sls_hec_forwarder.hec.send.refusals import Refusals
from sls_hec_forwarder.retry.backoff import Backoff
from sls_hec_forwarder.settings.model import HecSettings


@dataclass(frozen=True)
class SendContext:
    """The same for every endpoint. `clock` is monotonic, `wall` is the time of day."""

    settings: HecSettings
    outbox: Outbox
    policy: Policy
    retry: Backoff
    dead_letters: DeadLetters
    refusals: Refusals
    token: Token
    conditions: Conditions
    observer: HecObserver
    clock: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time
