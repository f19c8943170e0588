"""Puts logs with aliyun-log-producer; prints what became of each as JSON.

    producer.py KEY SECRET COMPRESSION LOGS

Runs in the environment of requirements/sdks.txt, with http_proxy set to the stand-in.
"""

from __future__ import annotations

import json
import sys

from aliyun_log_producer import Log, Producer, ProducerConfig  # type: ignore[import-not-found]


def main(key: str, secret: str, compression: str, logs: str) -> dict[str, object]:
    failed: list[str] = []
    delivered: list[None] = []

    def note(error: object) -> None:
        if error is None:
            delivered.append(None)
        else:
            failed.append(f"{getattr(error, 'http_status', '')} {getattr(error, 'error_code', error)}")

    config = ProducerConfig(
        endpoint="http://sls.test",
        access_key_id=key,
        access_key_secret=secret,
        compression=compression,  # zstd or lz4
        max_attempts=2,
    )
    with Producer(config) as producer:
        writer = producer.writer("proj", "store")
        for number in range(int(logs)):
            log = Log([("number", str(number)), ("text", "ünï")])
            writer.send(log, topic="topic", source="source", on_delivery=note)
    return {"delivered": len(delivered), "failed": sorted(set(failed))}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(*sys.argv[1:])))
