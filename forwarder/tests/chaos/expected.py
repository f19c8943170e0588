"""As which conditions a trouble is to be seen in the relays' health, when it stands."""

from __future__ import annotations

from collections.abc import Mapping

from sls_hec_forwarder.health.catalogue import CATALOGUE

from .sightings import NO_ANSWER

_SLS = (
    "join_failing",
    "heartbeat_failing",
    "heartbeat_late",
    "pull_failing",
    "checkpoint_failing",
    "start_failing",
    "group_watch_failing",
)
_HEC = ("collector_failing", "requests_failing", "collector_holding", "batch_refused", "acks_failing")
_NO_DELIVERY = ("collector_failing", "collector_holding")
_BROKEN = (
    "hang",
    "reset_before",
    "reset_during",
    "reset_after",
    "truncate",
    "corrupt",
    "refuse",
    "tls",
    "error",
)

#: Any of the names will do. These troubles are made to stand in long runs. Not among them is what passes in
#: a moment, what makes relaying slow and not wrong (latency, a trickle, a warning, a health check that is
#: blocked), and what may be drawn so that nothing is amiss, such as one of two nodes down.
EXPECTED: Mapping[str, tuple[str, ...]] = {
    **{f"sls: {kind}": _SLS for kind in _BROKEN},
    **{f"hec: {kind}": _HEC for kind in _BROKEN},
    "sls: skew": (*_SLS, "clock_skewed"),
    "sls: miscount": ("pull_failing", "pull_unreadable"),
    "hec: busy": ("collector_failing",),
    "hec: proxy": _HEC,
    "hec: firewall": ("batch_refused",),
    "hec: sick": _NO_DELIVERY,
    "kill and stay away": (NO_ANSWER,),
    "freeze": (NO_ANSWER,),
    "sts key expires": _SLS,
    "token disabled": ("collector_holding",),
    "index refused": ("dead_letters",),
    "spool is full": ("dead_letters_unsaved", "spool_filling"),
    "spool is unusable": ("dead_letters_unsaved",),
    "path of ack blocked": ("acks_failing",),
    "group deleted": ("group_deleted",),
    "group deleted and created by another": ("group_deleted", "group_restored"),
    "settings of the group changed": ("group_changed",),
    "right withdrawn for one call": (*_SLS, "checkpoint_stuck"),
}

#: Conditions that end when nothing more of the kind happened for some time, and not with the trouble.
QUIET = frozenset(name for name, kind in CATALOGUE.items() if kind.quiet is not None)
