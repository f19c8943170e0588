"""Makes sure that the consumer group exists, and changes it only when the settings say so."""

from __future__ import annotations

import logging
from typing import Protocol

from sls_hec_forwarder.settings.model import SlsSettings
from sls_hec_forwarder.sls.api.errors import GroupExists, GroupMissing, GroupQuotaExceeded, ServiceFault
from sls_hec_forwarder.sls.api.read_client import ConsumerGroup

#: Time-out of a group that is created here: seconds without a heartbeat until a consumer loses its shards.
DEFAULT_TIMEOUT = 40

_log = logging.getLogger(__name__)


class GroupList(Protocol):
    """What is needed to look up a group; a ReadClient has it."""

    place: str

    def list_groups(self) -> list[ConsumerGroup]: ...


class GroupCalls(GroupList, Protocol):
    """The calls of SlsClient that are used here."""

    def create_group(self, timeout: int, in_order: bool) -> None: ...
    def update_group(self, timeout: int, in_order: bool) -> None: ...


def wanted(found: ConsumerGroup, settings: SlsSettings) -> ConsumerGroup:
    """The group as the settings want it; what they leave open stays as other members have set it.

    SLS_IN_ORDER=false is only the default: it does not turn order off, which would break other members.
    """
    return ConsumerGroup(
        found.name, settings.group_timeout or found.timeout, bool(settings.in_order or found.in_order)
    )


def find(client: GroupList, name: str) -> ConsumerGroup:
    """The group as SLS has it. Raises GroupMissing."""
    for group in client.list_groups():
        if group.name == name:
            if group.timeout < 1:  # no heartbeat would be in time
                raise ServiceFault(
                    f"ListConsumerGroup {client.place}: consumer group {name} has a time-out of 0 s"
                )
            return group
    raise GroupMissing(f"ListConsumerGroup {client.place}: there is no consumer group {name}")


def ensure(client: GroupCalls, settings: SlsSettings) -> ConsumerGroup:
    """Find, create or change the group of the settings; return the group as it is afterwards.

    Raises SlsError; GroupQuotaExceeded names the existing groups, one of which has to be deleted.
    """
    try:
        found = find(client, settings.group)
    except GroupMissing:
        try:
            return create(client, _first(settings))
        except GroupExists:  # another consumer was faster
            found = find(client, settings.group)
    shall_be = wanted(found, settings)
    if shall_be != found:
        client.update_group(shall_be.timeout, shall_be.in_order)
        _log.warning("consumer group %s changed to: %s; it was: %s", found.name, _say(shall_be), _say(found))
    else:
        _log.info("consumer group %s found: %s", found.name, _say(found))
    return shall_be


def _first(settings: SlsSettings) -> ConsumerGroup:
    return ConsumerGroup(settings.group, settings.group_timeout or DEFAULT_TIMEOUT, settings.in_order)


def create(client: GroupCalls, group: ConsumerGroup) -> ConsumerGroup:
    """Create `group` with `client`, which is for that group. Raises SlsError as `ensure`, and GroupExists."""
    try:
        client.create_group(group.timeout, group.in_order)
    except GroupQuotaExceeded as problem:
        names = ", ".join(sorted(each.name for each in client.list_groups()))
        full = GroupQuotaExceeded(
            f"{problem}; delete a consumer group that is no longer used, one of: {names}",
            status=problem.status,
            code=problem.code,
            request_id=problem.request_id,
        )
        full.call = problem.call
        raise full from problem
    _log.info("consumer group %s created: %s", group.name, _say(group))
    return group


def _say(group: ConsumerGroup) -> str:
    order = "in order" if group.in_order else "not in order"
    return f"time-out {group.timeout} s, {order}"
