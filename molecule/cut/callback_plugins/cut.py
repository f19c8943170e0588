"""Ends a run at the task in CUT_TASK, as a power failure of the controller would."""

from __future__ import annotations

DOCUMENTATION = r"""
name: cut
type: aggregate
short_description: Kills the run at a task
description:
  - C(CUT_TASK) is the end of the task's name; without it, nothing is cut. C(CUT_WHEN) is V(before), V(after), or so
    many seconds after the task's begin.
"""

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ansible.plugins.callback import CallbackBase


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "cut"

    def __init__(self) -> None:
        super().__init__()
        self.task = os.environ.get("CUT_TASK", "")
        self.when = os.environ.get("CUT_WHEN", "")

    def _is_it(self, name: str) -> bool:
        return bool(self.task) and name.endswith(self.task)

    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:
        if not self._is_it(task.get_name()) or self.when == "after":
            return
        if self.when == "before":
            cut(f"before {self.task}")
        timer = threading.Timer(float(self.when), cut, [f"within {self.task}"])
        timer.daemon = True
        timer.start()

    def v2_runner_on_ok(self, result: Any) -> None:
        if self._is_it(result.task_name) and self.when == "after":
            cut(f"after {self.task}")


def cut(where: str) -> None:
    os.write(1, f"\ncut {where}\n".encode())
    for process in [*below(os.getpid()), os.getpid()]:
        with contextlib.suppress(ProcessLookupError):  # it has ended meanwhile
            os.kill(process, signal.SIGKILL)


def below(process: int) -> Iterator[int]:
    """All descendants of a process. What they have started on hosts keeps running."""
    # A process that has ended meanwhile has no children.
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        for task in Path(f"/proc/{process}/task").iterdir():
            for child in (task / "children").read_text().split():
                yield from below(int(child))
                yield int(child)
