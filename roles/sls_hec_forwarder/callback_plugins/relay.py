"""Ansible's own output, with the text of an error printed once, and a reason instead of a return code."""

from __future__ import annotations

DOCUMENTATION = r"""
name: relay
type: stdout
short_description: The default output, with the text of an error printed once
description:
  - The default output prints what a task failed with twice, as an error and as the task's result. This one
    prints the result. With C(-v) both are printed, for the error also says where in which file it arose.
  - Of a command that failed, the message is the last line that it wrote and not "non-zero return code".
extends_documentation_fragment:
  - default_callback
  - result_format_callback
"""

import errno  # noqa: E402
import os  # noqa: E402
from collections.abc import Mapping, MutableMapping  # noqa: E402
from typing import Any  # noqa: E402

from ansible.plugins.callback.default import CallbackModule as Default  # noqa: E402

#: Ansible's message for every command that failed.
SAYS_NOTHING = "non-zero return code"


def with_reason(result: Mapping[str, Any]) -> Mapping[str, Any]:
    """The result, with what a failed command said last in place of a message that says nothing."""
    if result.get("msg") != SAYS_NOTHING:
        return result
    for stream in ("stderr", "stdout"):
        lines = [line.strip() for line in str(result.get(stream) or "").splitlines() if line.strip()]
        if lines:
            # Whatever is said after it follows from it.
            full = [line for line in lines if os.strerror(errno.ENOSPC) in line]
            return {**result, "msg": (full or lines)[-1]}
    return result


class CallbackModule(Default):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "relay"

    def _handle_exception(self, result: MutableMapping[str, Any], use_stderr: bool = False) -> None:
        if result.get("msg") and self._display.verbosity == 0:
            result.pop("exception", None)
        super()._handle_exception(result, use_stderr)

    def _dump_results(self, result: Mapping[str, Any], *options: Any, **more: Any) -> str:
        return super()._dump_results(with_reason(result), *options, **more)
