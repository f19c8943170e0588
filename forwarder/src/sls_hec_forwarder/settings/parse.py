"""Converts the text of a variable to a value, and back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Callable

from sls_hec_forwarder.settings import values
from sls_hec_forwarder.settings.model import Kind, Spec


def expected(spec: Spec) -> str:
    """The expected format of the variable's text, in words."""
    if spec.kind is Kind.CHOICE:
        return f"{spec.kind.value} {', '.join(spec.choices)}"
    if spec.low is None or spec.high is None:
        return str(spec.kind.value)
    low, high = (_number_text(spec.kind, limit) for limit in (spec.low, spec.high))
    return f"{spec.kind.value}, from {low} to {high}"


def parse(spec: Spec, text: str) -> Any:
    """The value of `text`. Raises ValueError as the functions in `values` do."""
    if any(ord(character) < 0x20 or ord(character) == 0x7F for character in text):
        raise ValueError("it contains control characters")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("it is not UTF-8") from None
    if spec.kind is Kind.CHOICE:
        if text not in spec.choices:
            raise ValueError
        return text
    value = _PARSERS[spec.kind](text)
    if spec.low is not None and value < spec.low:
        raise ValueError("it is too small")
    if spec.high is not None and value > spec.high:
        raise ValueError("it is too large")
    return value


def text_of(kind: Kind, value: Any) -> str:
    """The text that `parse` reads as `value`."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return _number_text(kind, value)
    if kind is Kind.UNFOLD:
        topics: dict[str, list[str]] = {}
        for topic, name in value:
            topics.setdefault(topic, []).append(name)
        return json.dumps(topics, ensure_ascii=False) if topics else ""
    if kind is Kind.TOPIC_RULES:
        rules = {
            rule.topic: {
                key: getattr(rule, key) for key in values.RULE_KEYS if getattr(rule, key) is not None
            }
            for rule in value
        }
        return json.dumps(rules, ensure_ascii=False) if rules else ""
    if isinstance(value, tuple):
        return ",".join(value)
    return str(value)


def _number_text(kind: Kind, value: float) -> str:
    if kind is Kind.BYTES:
        for unit in ("G", "M", "K"):
            if value and value % values.UNITS[unit] == 0:
                return f"{int(value) // values.UNITS[unit]}{unit}"
    return str(int(value)) if value == int(value) else repr(value)


_PARSERS: Mapping[Kind, Callable[[str], Any]] = {
    Kind.TEXT: values.plain,
    Kind.SECRET: values.secret,
    Kind.NAME: values.name,
    Kind.SLS_NAME: values.sls_name,
    Kind.FLAG: values.flag,
    Kind.INTEGER: values.integer,
    Kind.SECONDS: values.seconds,
    Kind.BYTES: values.size,
    Kind.HOST: values.host,
    Kind.ENDPOINT: values.endpoint,
    Kind.URL: values.url,
    Kind.URLS: values.urls,
    Kind.PROXY: values.proxy,
    Kind.PATH: values.path,
    Kind.FOLDER: values.folder,
    Kind.LOG_PATH: values.log_path,
    Kind.START: values.start,
    Kind.STOP: values.stop,
    Kind.TOPICS: values.topics,
    Kind.UNFOLD: values.unfold,
    Kind.TOPIC_RULES: values.topic_rules,
    Kind.METRICS: values.metrics,
}
