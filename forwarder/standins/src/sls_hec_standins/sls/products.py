"""What the audit logs of Alibaba Cloud products look like in SLS: topics, fields, and plausible values.

Topics, field names and time formats are those of the "Cloud product collection" and "Log Audit Service" pages
of the SLS documentation; values are invented. Placeholders of `slots` stand where events of one kind differ.
"""

from __future__ import annotations

import json
from typing import Callable, NamedTuple

from . import slots, texts
from .pick import Pick

Contents = list[tuple[str, str]]


class Stream(NamedTuple):
    """Logs of one product that share topic and source: the name of the product and what makes a log."""

    product: str
    topic: str
    source: str
    contents: Callable[[Pick], Contents]


def actiontrail(pick: Pick) -> Contents:
    account = str(pick.number(10**15, 2 * 10**15))
    service, name, rw, parameters = pick.of(texts.API_CALLS)
    user = pick.of(texts.USERS)
    event: dict[str, object] = {
        "eventId": slots.UUID,
        "eventVersion": "1",
        "eventTime": slots.ISO,
        "eventName": name,
        "eventType": pick.mostly("ApiCall", ["ConsoleOperation", "ConsoleSignin", "AliyunServiceEvent"]),
        "eventRW": rw,
        "eventSource": f"{service.lower()}-openapi-share.{pick.of(texts.REGIONS)}.aliyuncs.com",
        "serviceName": service,
        "acsRegion": pick.of(texts.REGIONS),
        "requestId": slots.UUID,
        "apiVersion": "2014-05-26",
        "sourceIpAddress": slots.ADDRESS,
        "userAgent": pick.of(texts.AGENTS),
        "userIdentity": {
            "type": pick.of(["ram-user", "assumed-role", "root-account"]),
            "accountId": account,
            "principalId": str(pick.number(2 * 10**17, 3 * 10**17)),
            "userName": user,
            "accessKeyId": f"LTAI5t{pick.hex(18)}",
            "sessionContext": {
                "attributes": {"creationDate": slots.ISO, "mfaAuthenticated": pick.of(["true", "false"])}
            },
        },
        "requestParameters": {
            "RegionId": pick.of(texts.REGIONS),
            "InstanceId": pick.instance("i"),
            "InstanceName": pick.of(texts.NAMES),
            **parameters,
        },
        "responseElements": {"RequestId": slots.UUID, "TotalCount": pick.number(0, 500)},
        "additionalEventData": {"Scheme": "https", "loginAccount": f"{user}@{account}.onaliyun.com"},
        "referencedResources": {"ACS::ECS::Instance": [pick.instance("i") for _ in range(pick.number(1, 4))]},
    }
    if pick.number(0, 9) == 0:
        event["errorCode"], event["errorMessage"] = pick.of(texts.ERRORS)
    ascii_only = pick.number(0, 1) == 1  # both spellings of non-ASCII JSON occur
    text = json.dumps(event, ensure_ascii=ascii_only, separators=(",", ":"))
    return [("owner_id", account), ("event", text)]


def waf(pick: Pick) -> Contents:
    attack, request = pick.mostly(("", "page=2&size=20"), texts.ATTACKS)
    host = pick.of(texts.HOSTS)
    return [
        ("owner_id", str(pick.number(10**15, 2 * 10**15))),
        ("time", slots.ISO_CHINA),
        ("request_traceid", slots.HEX),
        ("real_client_ip", slots.ADDRESS),
        ("remote_addr", slots.ADDRESS),
        ("remote_port", slots.PORT),
        ("host", host),
        ("matched_host", host),
        ("http_cookie", f"sessionid={pick.hex(32)}; lang=zh-CN; _ga=GA1.2.{pick.number(10**8, 10**9)}"),
        ("http_referer", pick.mostly(f"https://{host}/", ["-", ""])),
        ("http_user_agent", pick.of(texts.AGENTS)),
        ("http_x_forwarded_for", pick.of(["-", slots.ADDRESS])),
        ("https", pick.of(["on", "on", "off"])),
        ("request_method", pick.mostly("GET", ["POST", "PUT", "HEAD", "OPTIONS"])),
        ("request_path", pick.of(texts.PATHS)),
        ("querystring", request),
        ("request_length", str(pick.number(200, 4000))),
        ("request_time_msec", str(pick.number(1, 900))),
        ("server_protocol", pick.of(["HTTP/1.1", "HTTP/2.0"])),
        ("status", pick.mostly("200", ["403", "404", "405", "499", "502"])),
        ("body_bytes_sent", slots.SIZE),
        ("content_type", pick.mostly("text/html; charset=utf-8", ["application/json", "-"])),
        ("upstream_addr", f"{pick.address()}:443"),
        ("upstream_response_time", f"0.{pick.number(1, 999):03}"),
        ("upstream_status", pick.mostly("200", ["-", "404", "502"])),
        ("region", "cn"),
        ("user_id", str(pick.number(10**15, 2 * 10**15))),
        ("web_attack_type", attack),
        ("waf_action", "block" if attack else ""),
        ("block_action", "tmd" if attack else ""),
        ("final_plugin", "waf" if attack else ""),
    ]


def oss(pick: Pick) -> Contents:
    bucket = pick.of(["audit-archive", "prod-assets", "备份-backup", "ml-training-data"])
    path = pick.of(texts.OBJECTS)
    return [
        ("owner_id", str(pick.number(10**15, 2 * 10**15))),
        ("region", pick.of(texts.REGIONS)),
        ("bucket", bucket),
        ("bucket_location", f"oss-{pick.of(texts.REGIONS)}"),
        ("bucket_storage_type", pick.mostly("standard", ["archive", "infrequent_access"])),
        ("client_ip", slots.ADDRESS),
        ("content_length_in", "-"),
        ("content_length_out", slots.SIZE),
        ("error_code", pick.mostly("-", ["NoSuchKey", "AccessDenied", "SignatureDoesNotMatch"])),
        ("host", f"{bucket}.oss-{pick.of(texts.REGIONS)}.aliyuncs.com"),
        ("http_method", pick.mostly("GET", ["PUT", "HEAD", "DELETE", "POST"])),
        ("http_status", pick.mostly("200", ["206", "304", "403", "404"])),
        ("http_type", "https"),
        ("logging_flag", "true"),
        ("object", path),
        ("object_size", str(pick.number(100, 10**9))),
        ("operation", pick.mostly("GetObject", ["PutObject", "HeadObject", "DeleteObject", "ListObjects"])),
        ("referer", "-"),
        ("request_id", slots.HEX),
        ("request_length", str(pick.number(300, 2000))),
        ("request_uri", f"/{path}?x-oss-process=image%2Fresize%2Cw_{pick.number(100, 999)} HTTP/1.1"),
        ("requester_id", str(pick.number(10**17, 3 * 10**17))),
        ("response_body_length", slots.SIZE),
        ("response_time", str(pick.number(1, 400))),
        ("server_cost_time", str(pick.number(1, 200))),
        ("sign_type", "NotSign"),
        ("sync_request", "-"),
        ("time", slots.APACHE),
        ("user_agent", pick.of(texts.AGENTS)),
        ("vpc_id", "-"),
    ]


def slb(pick: Pick) -> Contents:
    host = pick.of(texts.HOSTS)
    return [
        ("body_bytes_sent", slots.SIZE),
        ("client_ip", slots.ADDRESS),
        ("client_port", slots.PORT),
        ("host", host),
        ("http_host", host),
        ("http_referer", pick.mostly("-", [f"https://{host}/登录"])),
        ("http_user_agent", pick.of(texts.AGENTS)),
        ("http_x_forwarded_for", "-"),
        ("http_x_real_ip", "-"),
        ("read_request_time", str(pick.number(0, 9))),
        ("request_length", str(pick.number(100, 3000))),
        ("request_method", pick.mostly("GET", ["POST", "PUT"])),
        ("request_time", f"0.{pick.number(1, 999):03}"),
        ("request_uri", f"{pick.of(texts.PATHS)}?trace={slots.HEX}"),
        ("scheme", pick.of(["http", "https"])),
        ("server_protocol", "HTTP/1.1"),
        ("slb_vport", pick.of(["80", "443"])),
        ("slbid", f"lb-bp1{pick.hex(17)}"),
        ("ssl_cipher", pick.of(["ECDHE-RSA-AES128-GCM-SHA256", "-"])),
        ("ssl_protocol", pick.of(["TLSv1.2", "TLSv1.3", "-"])),
        ("status", pick.mostly("200", ["301", "404", "499", "502", "504"])),
        ("time", slots.ISO_CHINA),
        ("upstream_addr", f"{pick.address()}:8080"),
        ("upstream_response_time", f"0.{pick.number(1, 999):03}"),
        ("upstream_status", "200"),
        ("vip_addr", pick.address()),
        ("write_response_time", str(pick.number(0, 9))),
    ]


def vpc(pick: Pick) -> Contents:
    return [
        ("version", "1"),
        ("account-id", str(pick.number(10**15, 2 * 10**15))),
        ("eni-id", pick.instance("eni")),
        ("vm-id", pick.instance("i")),
        ("vswitch-id", pick.instance("vsw")),
        ("vpc-id", pick.instance("vpc")),
        ("type", "IPv4"),
        ("protocol", pick.of(["6", "17", "1"])),
        ("srcaddr", slots.ADDRESS),
        ("srcport", slots.PORT),
        ("dstaddr", pick.address()),
        ("dstport", pick.of(["22", "53", "80", "443", "3306", "6379"])),
        ("direction", pick.of(["in", "out"])),
        ("action", pick.mostly("ACCEPT", ["REJECT"])),
        ("packets", str(pick.number(1, 900))),
        ("bytes", slots.SIZE),
        ("start", slots.UNIX),
        ("end", slots.UNIX),
        ("log-status", pick.mostly("OK", ["NODATA", "SKIPDATA"])),
    ]


def rds(pick: Pick) -> Contents:
    return [
        ("owner_id", str(pick.number(10**15, 2 * 10**15))),
        ("region", pick.of(texts.REGIONS)),
        ("instance_name", pick.of(texts.NAMES)),
        ("instance_id", f"rm-bp1{pick.hex(14)}"),
        ("db_type", "mysql"),
        ("db_version", "8.0"),
        ("check_rows", str(pick.number(0, 100_000))),
        ("db", pick.of(["订单库", "orders", "billing", "users_shard_03"])),
        ("fail", pick.mostly("0", ["1"])),
        ("client_ip", slots.ADDRESS),
        ("latency", str(pick.number(50, 900_000))),
        ("origin_time", f"{slots.UNIX_MS}000"),
        ("return_rows", str(pick.number(0, 5000))),
        ("sql", f"/* trace_id={slots.HEX} */ {pick.of(texts.STATEMENTS)}"),
        ("thread_id", slots.SIZE),
        ("user", pick.of(["app_rw", "dba", "report", "root"])),
        ("update_rows", str(pick.number(0, 50))),
    ]


def _host(pick: Pick) -> Contents:
    return [
        ("uuid", f"{pick.hex(8)}-{pick.hex(4)}-{pick.hex(4)}-{pick.hex(4)}-{pick.hex(12)}"),
        ("ip", pick.address()),
        ("owner_id", str(pick.number(10**15, 2 * 10**15))),
    ]


def sas_dns(pick: Pick) -> Contents:
    return [
        *_host(pick),
        ("qname", f"{slots.HEX}.{pick.of(texts.HOSTS)}"),
        ("qtype", pick.of(["A", "AAAA", "TXT", "CNAME"])),
        ("answer", pick.of(["A|198.18.0.7|300|\nA|198.18.0.8|300|", "NXDOMAIN", ""])),
        ("client_ip", slots.ADDRESS),
        ("query_datetime", slots.UNIX_MS),
        ("rcode", pick.mostly("0", ["3"])),
    ]


def sas_http(pick: Pick) -> Contents:
    return [
        *_host(pick),
        ("src_ip", slots.ADDRESS),
        ("src_port", slots.PORT),
        ("dst_ip", pick.address()),
        ("dst_port", "80"),
        ("host", pick.of(texts.HOSTS)),
        ("method", "GET"),
        ("uri", f"{pick.of(texts.PATHS)}?sid={slots.HEX}"),
        ("user_agent", pick.of(texts.AGENTS)),
        ("response_code", pick.mostly("200", ["403", "500"])),
        ("response_info", pick.of(['{"code":0,"msg":"成功"}', '{"error":"bad \\"token\\""}', ""])),
        ("request_datetime", slots.SPACED),
    ]


def sas_security(pick: Pick) -> Contents:
    name, detail = pick.of(texts.ALERTS)
    return [
        *_host(pick),
        ("name", name),
        ("op", pick.of(["new", "dealing"])),
        ("status", pick.of(["1", "2", "4"])),
        ("tag", "aegis_suspicious_event"),
        ("sub_type", pick.of(["进程异常行为", "网站后门", "异常登录"])),
        ("unique_info", slots.HEX),
        ("detail", json.dumps(detail, ensure_ascii=False)),
        ("gmt_create", slots.SPACED),
    ]


def aegis_process(pick: Pick) -> Contents:
    command = pick.of(texts.COMMANDS)
    return [
        *_host(pick),
        ("cmdline", f"{command} --job={slots.HEX}"),
        ("cwd", pick.of(["/root/", "/home/运维/", "C:\\Windows\\System32\\"])),
        ("pid", slots.PORT),
        ("pname", pick.of(["bash", "sshd", "cron", "powershell.exe"])),
        ("ppid", slots.SIZE),
        ("uid", pick.mostly("0", ["1000"])),
        ("username", pick.of(texts.USERS)),
        ("time", slots.UNIX_MS),
    ]


def aegis_login(pick: Pick) -> Contents:
    return [
        *_host(pick),
        ("warn_ip", slots.ADDRESS),
        ("warn_port", slots.PORT),
        ("warn_type", pick.of(["SSHLOGIN", "RDPLOGIN"])),
        ("warn_user", pick.of(texts.USERS)),
        ("warn_count", slots.SIZE),
        ("login_id", slots.HEX),
        ("warn_time", slots.SPACED),
    ]


STREAMS = (
    Stream("actiontrail", "actiontrail_audit_event", "actiontrail_internal", actiontrail),
    Stream("waf", "waf_access_log", "waf_access_log", waf),
    Stream("oss", "oss_access_log", "log_service", oss),
    Stream("slb", "slb_layer7_access_log", "slb_access_log", slb),
    Stream("vpc", "flow_log", "log_service", vpc),
    Stream("rds", "rds_audit_log", "log_service", rds),
    Stream("sas", "sas-log-dns", "sas", sas_dns),
    Stream("sas", "sas-log-http", "sas", sas_http),
    Stream("sas", "sas-security-log", "sas", sas_security),
    Stream("sas", "aegis-log-process", "sas", aegis_process),
    Stream("sas", "aegis-log-login", "sas", aegis_login),
)
PRODUCTS = tuple(dict.fromkeys(stream.product for stream in STREAMS))
