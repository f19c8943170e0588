"""The truth of the SLS stand-in, as this one reads it."""

from __future__ import annotations

import json
from typing import Any

from sls_hec_standins.hec.compare import compare, fetch_rows, flatten, identity
from sls_hec_standins.sls import SlsStandin


def test_truth_over_http(client: Any, hec: Any) -> None:
    """What is sent as a relay has to send it is found complete, strange content included."""
    with SlsStandin() as sls:
        sls.create_logstore("audit", "trail", shards=2)
        sls.load("audit", "trail", logs=300, nasty=0.2)
        truth = f"{sls.admin_url}/truth?project=audit&logstore=trail"
        rows = list(fetch_rows(truth))
        for row in rows:
            source, sls_id = identity(row)
            time = f"{row['time']}.{row['time_ns'] or 0:09d}"
            envelope = {"source": source, "fields": {"sls_id": sls_id}, "event": flatten(row), "time": time}
            assert client.post(json.dumps(envelope)).status == 200
        result = compare(hec.store, fetch_rows(truth), check_time=True)
    assert result.exact, str(result)
    assert result.expected == 300
