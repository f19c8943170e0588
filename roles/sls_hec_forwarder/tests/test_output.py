"""What a play prints of a failure."""

from __future__ import annotations

from typing import Any

import pytest
from relay import SAYS_NOTHING, CallbackModule, with_reason


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (
            {"stderr": "a\nERROR: [Errno 28] No space left on device\n\n", "stdout": "b"},
            "No space left on device",
        ),
        ({"stderr": "tar: No space left on device\ntar: Exiting\n"}, "tar: No space left on device"),
        ({"stderr": " \n", "stdout": "first\nlast\n"}, "last"),
        ({"stderr": "", "stdout": ""}, SAYS_NOTHING),
        ({}, SAYS_NOTHING),
    ],
)
def test_a_failed_command_is_told_by_its_last_words(said: dict[str, Any], reason: str) -> None:
    result = {"msg": SAYS_NOTHING, "rc": 1, **said}
    assert with_reason(result)["msg"].endswith(reason)
    assert result["msg"] == SAYS_NOTHING


def test_a_message_that_says_something_stays() -> None:
    result = {"msg": "there is no user relay on this host", "stderr": "else"}
    assert with_reason(result) is result


def test_it_is_what_is_printed() -> None:
    printed = CallbackModule()._dump_results({"msg": SAYS_NOTHING, "stderr": "No space left on device"})
    assert SAYS_NOTHING not in printed
