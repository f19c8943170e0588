"""The programs in bench/ that have no other test do run; what they measure is not judged here."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from sls_hec_standins.hec.standin import DEMO_TOKEN, HecStandin
from sls_hec_standins.sls import cursors, truth
from sls_hec_standins.sls.standin import SlsStandin

BENCH = Path(__file__).parents[2] / "bench"


def test_generator() -> None:
    run = subprocess.run(
        [sys.executable, BENCH / "generator.py", "--size", "0.1"],
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    assert "actiontrail" in run.stdout
    assert run.stderr == ""


def test_sample_guide_delivers_and_ends_when_told() -> None:
    with SlsStandin() as sls, HecStandin() as hec:
        sls.add_key("id", "secret")
        logstore = sls.create_logstore("audit-project", "audit-store", shards=2)
        sls.load("audit-project", "audit-store", logs=400, logs_per_group=20)
        environment = {
            **os.environ,
            "http_proxy": sls.proxy_url,
            "no_proxy": "127.0.0.1",
            "SLS_ENDPOINT": sls.endpoint,
            "SLS_AK_ID": "id",
            "SLS_AK_KEY": "secret",
            "SLS_PROJECT": "audit-project",
            "SLS_LOGSTORE": "audit-store",
            "SLS_CG": "guide",
            "HEC_HOST": "127.0.0.1",
            "HEC_PORT": hec.url.rpartition(":")[2],
            "HEC_HTTPS": "false",
            "HEC_TOKEN": DEMO_TOKEN,
        }
        run = subprocess.Popen(
            [sys.executable, BENCH / "sample_guide.py"],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            deadline = time.monotonic() + 120
            while hec.store.total < 400 and run.poll() is None and time.monotonic() < deadline:
                time.sleep(0.2)
            run.send_signal(signal.SIGTERM)
            output, _ = run.communicate(timeout=60)
        finally:
            run.kill()
            run.wait()
        assert run.returncode == 0, output
        assert "secret" not in output
        arrived = [json.loads(event.event) for event in hec.store.events()]
        for event in arrived:
            event.pop("__time_ns_part__", None)
        expected = [truth.flatten(row) for row in sls.service.truth("audit-project", "audit-store")]
        assert sorted(map(_text, arrived)) == sorted(map(_text, expected))
        records = logstore.groups["guide"].view(sls.clock.now())
        for number, shard in logstore.shards.items():
            assert cursors.decode(records[number].checkpoint) == shard.next


def _text(event: Any) -> str:
    return json.dumps(event, sort_keys=True)
