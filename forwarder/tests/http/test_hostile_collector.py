"""A collector as a hostile end: posts, questions and health checks end in time, and mean something."""

from __future__ import annotations

import time
from typing import Callable

import pytest

from sls_hec_forwarder.hec.api.answers import Action
from sls_hec_forwarder.hec.api.client import Client
from sls_hec_forwarder.hec.api.target import Target
from sls_hec_forwarder.hec.api.token import Token
from sls_hec_forwarder.http.connection import NoAnswer

from .hostile import DRIPS, FLOODS, UNCLEAR, says
from .scripted import Script, answer, scripted
from .test_connection import connection

PATIENCE = 30.0

QUESTIONS: dict[str, Callable[[Client], object]] = {
    "ack": lambda client: client.acks("channel", [1, 2]),
    "health": lambda client: client.health(),
}


def client(port: int, timeout: float) -> Client:
    return Client(connection(port, timeout), Target(False, "127.0.0.1", port), Token("secret"), "channel")


def posted(script: Script, timeout: float) -> object:
    begun = time.monotonic()
    with scripted(script) as port:
        one = client(port, timeout)
        found = one.post(b"{}").answer
        one.connection.close()
    assert time.monotonic() - begun < PATIENCE
    assert not found.status
    assert found.may_have_taken
    return found.action


@pytest.mark.parametrize("end", DRIPS)
def test_a_post_to_a_drip_is_tried_again(end: str) -> None:
    assert posted(DRIPS[end], 0.4) is Action.RETRY


@pytest.mark.parametrize("end", sorted(set(FLOODS) - {"body", "chunks"}))
def test_a_post_to_a_flood_is_tried_again(end: str) -> None:
    assert posted(FLOODS[end], 300.0) is Action.RETRY


@pytest.mark.parametrize("end", UNCLEAR)
def test_a_post_whose_answer_has_no_clear_length_is_tried_again(end: str) -> None:
    said = b"HTTP/1.1 200 OK\r\n" + UNCLEAR[end] + b'\r\n{"text":"Success","code":0}'
    assert posted(says(said), 300.0) is Action.RETRY


@pytest.mark.parametrize("status", ["413 Too Large", "503 Busy"])
def test_the_status_of_a_refusal_counts_however_long_its_page_is(status: str) -> None:
    with scripted(says(answer(b"<html>" * 100_000, status))) as port:
        one = client(port, 300.0)
        assert one.post(b"{}").answer.status == int(status[:3])
        one.connection.close()


@pytest.mark.parametrize("call", QUESTIONS)
@pytest.mark.parametrize("end", ["body", "head", "interim answer", "nothing"])
def test_a_question_to_a_drip(call: str, end: str) -> None:
    begun = time.monotonic()
    with scripted(DRIPS[end]) as port:
        one = client(port, 0.4)
        with pytest.raises(NoAnswer, match="timed out"):
            QUESTIONS[call](one)
    assert time.monotonic() - begun < PATIENCE
