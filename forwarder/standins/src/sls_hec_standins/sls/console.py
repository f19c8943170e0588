"""Changes by an administrator, as in the console of SLS or of RAM."""

from __future__ import annotations

import dataclasses

from sls_hec_standins.sls import cursors, errors, routes
from sls_hec_standins.sls.auth import Key
from sls_hec_standins.sls.groups import Group
from sls_hec_standins.sls.service import Service
from sls_hec_standins.sls.store import Logstore

GROUP_TIMEOUT = 60  # seconds, unless told otherwise


class Console:
    """Changes to the projects, groups and keys of a `Service`. Thread-safe.

    All raise `SlsError` where the service itself would refuse, ValueError for what it could not be told.
    """

    def __init__(self, service: Service) -> None:
        self._service = service

    # Projects and logstores.

    def delete_project(self, project: str) -> None:
        self._service.store.delete_project(project)

    def delete_logstore(self, project: str, logstore: str) -> None:
        """Delete a logstore; a new one of the same name has other creation times and cursors."""
        self._service.store.project(project).delete_logstore(logstore)

    # Consumer groups.

    def put_group(
        self,
        project: str,
        logstore: str,
        group: str,
        *,
        timeout: int | None = None,
        order: bool | None = None,
    ) -> Group:
        """Make a group, or change its timeout (seconds) and order. None keeps it; a new one has 60, False."""
        service, found = self._service, self._service.store.logstore(project, logstore)
        if timeout is not None and timeout < 1:
            raise ValueError(f"timeout must be at least 1, not {timeout}")
        with found.lock:
            known = found.groups.get(group)
            if known is not None:
                known.update(service.clock.now(), timeout=timeout, order=order)
                return known
            found.check_group_quota(service.switches.group_quota, service.switches.group_quota_status)
            made = Group(group, timeout or GROUP_TIMEOUT, bool(order), found.facts, service.clock.now())
            found.groups[group] = made
            return made

    def delete_group(self, project: str, logstore: str, group: str) -> None:
        found = self._service.store.logstore(project, logstore)
        with found.lock:
            _group(found, group)
            del found.groups[group]

    def set_checkpoint(
        self, project: str, logstore: str, group: str, *, to: str | int, shard: int | None = None
    ) -> dict[int, str]:
        """Save the checkpoint of one shard or of all, without being a member of the group: {shard: cursor}.

        `to` is "begin", "end", a receive time (Unix seconds), or a cursor, which is saved as it is.
        """
        found = self._service.store.logstore(project, logstore)
        with found.lock:
            its_group = _group(found, group)
            numbers = list(found.shards) if shard is None else [shard]
            saved = {number: _cursor(found, number, to) for number in numbers}
            for number, cursor in saved.items():
                its_group.checkpoint(number, cursor, "", self._service.clock.now(), force=True)
        return saved

    # Rights.

    def deny(self, key_id: str, *calls: str) -> Key:
        """Withdraw the rights for these calls, and for no others, from a key; without any, none is withdrawn.

        A call is named as in faults (HeartBeat) or by its RAM action (log:ConsumerGroupHeartBeat), which
        may be a glob. Calls that share an action are denied together.
        """
        key = self._service.keys.get(key_id)
        if key is None:
            raise ValueError(f"no key {key_id}")
        return self._service.keys.put(dataclasses.replace(key, deny=tuple(map(_action, calls))))


def _group(logstore: Logstore, name: str) -> Group:
    group = logstore.groups.get(name)
    if group is None:
        raise errors.group_not_exist()
    return group


def _cursor(logstore: Logstore, number: int, to: str | int) -> str:
    shard = logstore.shards.get(number)
    if shard is None:
        raise errors.shard_not_exist(number, 404)
    if isinstance(to, int):
        return cursors.encode(shard.cursor_at(to))
    if to not in ("begin", "end"):
        if cursors.decode(to) is None:
            raise ValueError(f"'to' must be begin, end, Unix seconds or a cursor, not {to!r}")
        return to
    return cursors.encode(shard.first if to == "begin" else shard.next)


def _action(call: str) -> str:
    if ":" in call:
        return call
    for route in routes.ROUTES:
        if route.name == call:
            return route.action
    raise ValueError(f"unknown call {call!r}; known: {', '.join(routes.NAMES)}")
