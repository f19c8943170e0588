"""From PutLogs to indexed on an idle relay: `python bench/latency.py --python python3 --python pypy3`.

The relay has its default settings. One log at a time is put, at random moments; the time runs from before
PutLogs is called to when the collector has the event.
"""

from __future__ import annotations

import argparse
import math
import os
import random
import sys
import time

from aliyun.log import LogClient, LogItem, PutLogsRequest
from rig import KEY_ID, KEY_SECRET, LOGSTORE, PROJECT, Rig, admin, runtime, wait_until

_WARM_UP = 20  # logs that do not count


def put(count: int, pause: float) -> dict[str, float]:
    """Put `count` logs, about `pause` seconds apart; when each was, by its number."""
    client = LogClient("http://sls.test", KEY_ID, KEY_SECRET)
    rng = random.Random(1)
    started = {}
    for number in range(count):
        time.sleep(rng.uniform(0, 2 * pause))
        log = LogItem(contents=[("number", str(number)), ("text", "x" * 200)])
        started[str(number)] = time.time()
        client.put_logs(PutLogsRequest(PROJECT, LOGSTORE, "latency", "bench", [log]))
    return started


def measure(rig: Rig, python: str, group: str, count: int, pause: float) -> list[float]:
    """Seconds that each log took."""
    relay = rig.relay(python, group, SLS_START_POSITION="end")
    wait_until(lambda: rig.owned(group) == rig.shards, "the relay to hold the shards", 60)
    time.sleep(5)
    started = put(count, pause)
    wait_until(lambda: rig.indexed()["events"] >= count, "everything to be indexed", 60)
    events = admin(f"{rig.hec_admin}/events?limit={count + 1}")
    relay.end()
    rig.forget_indexed()
    took = {each["event"]["number"]: each["received"] - started[each["event"]["number"]] for each in events}
    if len(events) != count or len(took) != count:
        raise RuntimeError(
            f"{count} logs were put, {len(events)} events indexed, {len(took)} of them different"
        )
    return [seconds for number, seconds in took.items() if int(number) >= _WARM_UP]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--python", action="append", help="interpreter of the relay; repeatable")
    add("--logs", type=int, default=600, help="default %(default)s")
    add("--pause", type=float, default=0.3, help="seconds between logs on average; default %(default)s")
    add("--shards", type=int, default=4, help="default %(default)s")
    add("--folder", default="", help="where logs of the programs are kept")
    args = parser.parse_args()
    print(f"{args.shards} shards, {args.logs} logs, {args.pause:g} s apart; {os.cpu_count()} CPUs")
    print(f"{'seconds':28}{'p50':>8}{'p90':>8}{'p99':>8}{'max':>8}", flush=True)
    with Rig(shards=args.shards, folder=args.folder) as rig:
        os.environ.update(http_proxy=rig.sls_url, no_proxy="127.0.0.1")
        for number, python in enumerate(args.python or [sys.executable]):
            took = sorted(measure(rig, python, f"latency-{number}", args.logs + _WARM_UP, args.pause))
            shown = [took[math.ceil(len(took) * part) - 1] for part in (0.5, 0.9, 0.99, 1)]
            print(f"{runtime(python):28}" + "".join(f"{each:>8.3f}" for each in shown), flush=True)


if __name__ == "__main__":
    main()
