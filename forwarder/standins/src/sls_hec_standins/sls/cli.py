"""The command `sls-standin`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from sls_hec_standins.http.command import UsageError, address, run, server_tls
from sls_hec_standins.sls import switches
from sls_hec_standins.sls.errors import SlsError
from sls_hec_standins.sls.service import REGION
from sls_hec_standins.sls.standin import DEMO_KEY, ENDPOINT, SlsStandin

_DESCRIPTION = """\
A stand-in for Alibaba Cloud Log Service: the real wire protocol, faults on demand, and an account of every
log it holds. When it can be used it prints one line:

    sls-standin ready: sls http://127.0.0.1:8080 admin http://127.0.0.1:8081

Let clients use the first URL as their http_proxy with the endpoint http://sls.test. It ends on SIGTERM or
SIGINT."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run until SIGTERM or SIGINT. Exit code 2 for a command line that cannot be carried out."""
    args = parser().parse_args(argv)
    if args.list_switches:
        sys.stdout.write(_switch_list())
        return 0
    return run("sls-standin", "sls", lambda: _standin(args))


def _standin(args: argparse.Namespace) -> SlsStandin:
    host, port = address("--listen", args.listen)
    admin_host, admin_port = address("--admin", args.admin)
    standin = SlsStandin(
        host=host,
        port=port,
        admin_host=admin_host,
        admin_port=admin_port,
        tls=server_tls(args.cert, args.key, args.client_ca),
        tunnel_tls=server_tls(args.tunnel_cert, args.tunnel_key, prefix="tunnel-"),
        endpoints=args.endpoint or [ENDPOINT],
        region=args.region,
        seed=args.seed,
        switches=switches.Switches().replace(dict(map(switches.parse, args.switch))),
        pull_cache=args.pull_cache << 20,
    )
    for text in args.access_key or [DEMO_KEY]:
        key_id, _, secret = text.partition(":")
        if not (key_id and secret):
            raise UsageError("--access-key must be ID:SECRET")
        standin.add_key(key_id, secret)
    for text in args.create:
        path, _, shards = text.partition(":")
        project, slash, logstore = path.partition("/")
        if not slash or (shards and not shards.isdecimal()):
            raise UsageError(f"--create must be PROJECT/LOGSTORE or PROJECT/LOGSTORE:SHARDS, not {text!r}")
        try:
            standin.create_logstore(project, logstore, shards=int(shards or 2))
        except SlsError as error:
            raise UsageError(f"--create {text}: {error}") from None
    return standin


def _switch_list() -> str:
    lines = []
    for name, default in switches.Switches().as_json().items():
        allowed = ", ".join(map(switches.show, switches.choices(name))) or "a number"
        lines.append(f"{name}={switches.show(default)}  ({allowed})\n")
    return "".join(lines)


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="sls-standin",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = made.add_argument
    add("--listen", default="127.0.0.1:8080", metavar="HOST:PORT",
        help="default %(default)s; port 0: a free one")  # fmt: skip
    add("--admin", default="127.0.0.1:8081", metavar="HOST:PORT", help="admin API; default %(default)s")
    add("--endpoint", action="append", default=[], metavar="NAME",
        help=f"host name that names no project; repeatable; default {ENDPOINT}")  # fmt: skip
    add("--region", default=REGION, help="region of the service; default %(default)s")
    add("--access-key", action="append", default=[], metavar="ID:SECRET",
        help=f"an access key to accept; repeatable; default {DEMO_KEY}")  # fmt: skip
    add("--create", action="append", default=[], metavar="PROJECT/LOGSTORE[:SHARDS]",
        help="a logstore to start with, of 2 shards unless said; repeatable")  # fmt: skip
    add("--switch", action="append", default=[], metavar="NAME=VALUE",
        help="behaviour where the sources disagree, see --list-switches; repeatable")  # fmt: skip
    add("--list-switches", action="store_true", help="print the switches with their values and end")
    add("--seed", type=int, default=0, help="seed of the faults; default %(default)s")
    add("--pull-cache", type=int, default=256, metavar="MIB",
        help="memory for prepared answers; default %(default)s")  # fmt: skip
    add("--cert", type=Path, metavar="PEM", help="serve https with this certificate chain")
    add("--key", type=Path, metavar="PEM", help="its private key")
    add("--client-ca", type=Path, metavar="PEM", help="require client certificates of this CA")
    add("--tunnel-cert", type=Path, metavar="PEM",
        help="answer https URLs sent to the stand-in as a proxy, with this certificate")  # fmt: skip
    add("--tunnel-key", type=Path, metavar="PEM", help="its private key")
    return made


if __name__ == "__main__":
    sys.exit(main())
