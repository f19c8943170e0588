"""The calls of the generated SDK (alibabacloud-sls20201230) that the stand-in knows; prints them as JSON.

    generated.py PROXY KEY SECRET SIGNATURE

Runs in the environment of requirements/sdks.txt. SIGNATURE is v1 or v4.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any, Callable

from alibabacloud_sls20201230 import models  # type: ignore[import-not-found]
from alibabacloud_sls20201230.client import Client  # type: ignore[import-not-found]
from alibabacloud_tea_openapi.utils_models import Config  # type: ignore[import-not-found]


def main(proxy: str, key: str, secret: str, signature: str) -> dict[str, Any]:
    client = Client(
        Config(
            access_key_id=key,
            access_key_secret=secret,
            endpoint="sls.test",
            protocol="HTTP",
            http_proxy=proxy,
            region_id="cn-hangzhou",
            signature_version=signature,
        )
    )
    store = ("made-up", "logs")
    client.create_project(models.CreateProjectRequest(project_name="made-up", description="by the SDK"))
    client.create_log_store(
        "made-up", models.CreateLogStoreRequest(logstore_name="logs", shard_count=2, ttl=3)
    )
    found: dict[str, Any] = {
        "description": client.get_project("made-up", models.GetProjectRequest()).body.description,
        "projects": [
            each.project_name for each in client.list_project(models.ListProjectRequest()).body.projects
        ],
        "logstores": client.list_log_stores("made-up", models.ListLogStoresRequest(size=10)).body.logstores,
    }
    contents = [models.LogContent(key="k", value=value) for value in ("plain", "ünï")]
    item = models.LogItem(time=int(time.time()), contents=contents)
    group = models.LogGroup(topic="topic", source="source", log_items=[item], log_tags=[])
    for _ in range(2):
        client.put_logs(*store, models.PutLogsRequest(body=group))
    found["shards"] = [each.shard_id for each in client.list_shards(*store).body]
    begin = client.get_cursor(*store, "0", models.GetCursorRequest(from_="begin")).body.cursor
    end = client.get_cursor(*store, "0", models.GetCursorRequest(from_="end")).body.cursor
    found["moved"] = begin != end
    # It asks for JSON, which the service does not have; the API page says that this SDK cannot pull.
    pull = models.PullLogsRequest(cursor=begin, count=10)
    found["pull"] = refusal(lambda: client.pull_logs(*store, "0", pull))
    client.create_consumer_group(
        *store, models.CreateConsumerGroupRequest(consumer_group="group", timeout=60, order=False)
    )
    in_group = (*store, "group")
    client.update_consumer_group(*in_group, models.UpdateConsumerGroupRequest(timeout=30, order=True))
    found["groups"] = [
        (each.name, each.timeout, each.order) for each in client.list_consumer_group(*store).body
    ]
    beat = models.ConsumerGroupHeartBeatRequest(consumer="c", body=[])
    found["assigned"] = client.consumer_group_heart_beat(*in_group, beat).body
    client.consumer_group_update_check_point(
        *in_group,
        models.ConsumerGroupUpdateCheckPointRequest(
            consumer="c", shard=0, checkpoint=end, force_success=False
        ),
    )
    [saved] = client.get_check_point(*in_group, models.GetCheckPointRequest(shard=0)).body
    found["saved"] = saved.checkpoint == end
    split = client.split_shard(*store, "0", models.SplitShardRequest(shard_count=2))
    found["split"] = [(each.shard_id, each.status) for each in split.body]
    client.delete_consumer_group(*in_group)
    found["groups left"] = len(client.list_consumer_group(*store).body)
    found["no logstore"] = refusal(lambda: client.list_shards("made-up", "none"))
    return found


def refusal(call: Callable[[], object]) -> str:
    """The code that the service refuses a call with."""
    try:
        call()
    except Exception as error:  # noqa: BLE001 - which class it is depends on the version; the code is looked at
        return str(getattr(error, "code", "") or repr(error))
    return "not refused"


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(*sys.argv[1:])))
