"""Ansible's default output, which prints each error once, with its reason, and says where a roll stopped."""

from __future__ import annotations

DOCUMENTATION = r"""
name: relay
type: stdout
short_description: The default output, with the text of an error printed once
description:
  - The default output prints what a task failed with twice, as an error and as the task's result. This one
    prints the result. With C(-v) both are printed, for the error also says where in which file it arose.
  - Where a playbook that goes from host to host stops, the end says at which host, what was not touched, and
    what to do.
  - Of a command that failed, the message is the last line that it wrote and not "non-zero return code".
extends_documentation_fragment:
  - default_callback
  - result_format_callback
"""

import errno  # noqa: E402
import os  # noqa: E402
import re  # noqa: E402
from collections.abc import Iterable, Mapping, MutableMapping  # noqa: E402
from typing import Any  # noqa: E402

from ansible import constants, context  # noqa: E402
from ansible.plugins.callback.default import CallbackModule as Default  # noqa: E402

#: Ansible's message for each failed command.
SAYS_NOTHING = "non-zero return code"
#: The error message of ssh follows this text.
SSH_SAID = "can be reached over ssh: "


class Roll:
    """A play that runs on one host after the other, and its progress."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.hosts: list[str] = []
        self.begun: set[str] = set()

    def waiting(self) -> list[str]:
        return [host for host in self.hosts if host not in self.begun]


def ending(down: Mapping[str, str], failed: Iterable[str], roll: Roll | None, limit: str | None) -> list[str]:
    """The lines to print at the end.

    `down` gives, for each host that cannot be reached, the reason. `roll` is the last play that ran on one
    host after the other; if none has begun, it is the first such play of the playbook.
    """
    lines = []
    for host, why in down.items():
        said = " ".join(why.rpartition(SSH_SAID)[2].split())[:300]
        lines.append(f"{host} is down or cannot be reached: {said}")
    failed = [host for host in failed if host not in down]
    if roll and roll.begun:
        stopped = [*down, *(host for host in failed if host in roll.begun)]
        if stopped and roll.waiting():
            lines.append(f'"{roll.name}" stopped at {", ".join(stopped)}.')
            lines.append(f"Not touched: {', '.join(roll.waiting())}. What ran there before keeps running.")
    elif roll and down:
        lines.append(f'No host has reached "{roll.name}".')
    if roll and down:
        lines.append("Once all hosts are back, run the same command again.")
        asked = re.split("[,:]", limit) if limit else []
        if not asked or set(asked) - set(down):
            # If the pattern has a comma, Ansible reads a colon as part of a name.
            between = "," if limit and "," in limit else ":"
            left = between.join([*([limit] if limit else []), *(f"!{host}" for host in down)])
            lines[-1] += f" To continue without {' and '.join(down)}: --limit '{left}'."
    return lines


def with_reason(result: Mapping[str, Any]) -> Mapping[str, Any]:
    """The result; a message without a reason is replaced with the last line that the command wrote."""
    if result.get("msg") != SAYS_NOTHING:
        return result
    for stream in ("stderr", "stdout"):
        lines = [line.strip() for line in str(result.get(stream) or "").splitlines() if line.strip()]
        if lines:
            # A full file system causes the errors that follow it.
            full = [line for line in lines if os.strerror(errno.ENOSPC) in line]
            return {**result, "msg": (full or lines)[-1]}
    return result


class CallbackModule(Default):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "relay"

    def __init__(self) -> None:
        super().__init__()
        self._why: dict[str, str] = {}
        self._roll: Roll | None = None
        self._rolls = False

    def v2_playbook_on_start(self, playbook: Any) -> None:
        super().v2_playbook_on_start(playbook)
        names = [play.get_name() for play in playbook.get_plays() if play.serial]
        self._roll = Roll(names[0]) if names else None

    def v2_playbook_on_play_start(self, play: Any) -> None:
        super().v2_playbook_on_play_start(play)
        self._rolls = bool(play.serial)
        if self._rolls:
            if self._roll is None or self._roll.name != play.get_name():
                self._roll = Roll(play.get_name())
            self._roll.hosts = play.get_variable_manager().get_vars(play=play)["ansible_play_hosts_all"]

    def v2_runner_on_start(self, host: Any, task: Any) -> None:
        super().v2_runner_on_start(host, task)
        if self._rolls and self._roll:
            self._roll.begun.add(host.get_name())

    def v2_runner_on_unreachable(self, result: Any) -> None:
        super().v2_runner_on_unreachable(result)
        self._why[result.host.get_name()] = str(result.result.get("msg", "it gives no answer"))

    def v2_playbook_on_stats(self, stats: Any) -> None:
        super().v2_playbook_on_stats(stats)
        down = {host: self._why.get(host, "it gives no answer") for host in sorted(stats.dark)}
        for line in ending(down, sorted(stats.failures), self._roll, context.CLIARGS.get("subset")):
            self._display.display(line, color=constants.config.get_config_value("COLOR_ERROR"))

    def _handle_exception(self, result: MutableMapping[str, Any], use_stderr: bool = False) -> None:
        if result.get("msg") and self._display.verbosity == 0:
            result.pop("exception", None)
        super()._handle_exception(result, use_stderr)

    def _dump_results(self, result: Mapping[str, Any], *options: Any, **more: Any) -> str:
        return super()._dump_results(with_reason(result), *options, **more)
