"""Ansible's own output, with the text of an error printed once."""

from __future__ import annotations

DOCUMENTATION = r"""
name: relay
type: stdout
short_description: The default output, with the text of an error printed once
description:
  - The default output prints what a task failed with twice, as an error and as the task's result. This one
    prints the result. With C(-v) both are printed, for the error also says where in which file it arose.
extends_documentation_fragment:
  - default_callback
  - result_format_callback
"""

from collections.abc import MutableMapping  # noqa: E402
from typing import Any  # noqa: E402

from ansible.plugins.callback.default import CallbackModule as Default  # noqa: E402


class CallbackModule(Default):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "relay"

    def _handle_exception(self, result: MutableMapping[str, Any], use_stderr: bool = False) -> None:
        if result.get("msg") and self._display.verbosity == 0:
            result.pop("exception", None)
        super()._handle_exception(result, use_stderr)
