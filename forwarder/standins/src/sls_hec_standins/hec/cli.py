"""The command `hec-standin`."""

from __future__ import annotations

import argparse
import json
import logging
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from sls_hec_standins.hec.behaviour import PROFILES, describe_switches
from sls_hec_standins.hec.standin import DEMO_TOKEN, HecStandin
from sls_hec_standins.hec.tokens import Token
from sls_hec_standins.http import ServerTls

_EPILOG = """\
tokens: VALUE, then settings separated by commas, for instance
  --token 11111111-2222-3333-4444-555555555555,name=audit,use_ack,indexes=audit|main,index=audit
or a file with a JSON array of objects such as
  {"token": "...", "name": "audit", "use_ack": true, "indexes": ["audit"], "index": "audit"}
settings: name, use_ack, disabled, indexes, index, source, sourcetype, host, connection_host (ip, proxied_ip,
none), query_string.
"""


class UsageError(Exception):
    """The command line cannot be carried out; the text says why."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run until SIGTERM or SIGINT. Exit code 2 for a command line that cannot be carried out."""
    args = _parser().parse_args(argv)
    if args.list_switches:
        sys.stdout.write(describe_switches())
        return 0
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    stopped = threading.Event()
    try:
        standin = _standin(args)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stopped.set())
        standin.start()
    except (UsageError, ValueError, OSError) as error:
        sys.stderr.write(f"hec-standin: {error}\n")
        return 2
    try:
        sys.stdout.write(f"hec-standin ready: hec {standin.url} admin {standin.admin_url}\n")
        sys.stdout.flush()
        stopped.wait()
    finally:
        standin.stop()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="hec-standin",
        description="A Splunk HTTP Event Collector for tests and demos: stores what a real one would index.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add(
        "--listen",
        default="127.0.0.1:8088",
        metavar="HOST:PORT",
        help="default %(default)s; port 0: a free one",
    )
    add(
        "--admin",
        default="127.0.0.1:8089",
        metavar="HOST:PORT",
        help="admin API and page; default %(default)s",
    )
    add("--profile", default="enterprise", choices=sorted(PROFILES), help="default %(default)s")
    add("--switch", action="append", default=[], metavar="NAME=VALUE", help="set one behaviour; repeatable")
    add("--list-switches", action="store_true", help="print all switches with their sources, and end")
    add("--token", action="append", default=[], metavar="TOKEN", help=f"repeatable; default {DEMO_TOKEN}")
    add("--tokens", type=Path, metavar="FILE", help="tokens as a JSON file")
    add("--cert", type=Path, metavar="PEM", help="serve https with this certificate chain")
    add("--key", type=Path, metavar="PEM", help="its private key")
    add("--client-ca", type=Path, metavar="PEM", help="require client certificates of this CA")
    add("--nodes", type=int, default=1, metavar="N", help="nodes behind the address; default %(default)s")
    add("--ack-latency", type=float, default=1.0, metavar="S", help="seconds to an ack; default %(default)s")
    add("--keep", type=int, metavar="N", help="hold the newest N events only; counts stay complete")
    add("--count-only", action="store_true", help="do not parse bodies: count events by their LF")
    add("--seed", type=int, default=0, metavar="N", help="of faults and cookies; default %(default)s")
    add("--timeout", type=float, default=120.0, metavar="S", help="seconds a silent peer is waited for")
    return parser


def _standin(args: argparse.Namespace) -> HecStandin:
    if args.keep is not None and args.keep < 0:
        raise UsageError("--keep must not be negative")
    host, port = _address("--listen", args.listen)
    admin_host, admin_port = _address("--admin", args.admin)
    return HecStandin(
        profile=args.profile,
        switches=PROFILES[args.profile].parsed(dict(_setting(text) for text in args.switch)),
        tokens=_tokens(args),
        host=host,
        port=port,
        admin_host=admin_host,
        admin_port=admin_port,
        tls=_tls(args),
        nodes=args.nodes,
        ack_latency=args.ack_latency,
        keep=args.keep,
        count_only=args.count_only,
        seed=args.seed,
        timeout=args.timeout,
    )


def _tokens(args: argparse.Namespace) -> list[Token]:
    tokens = [Token.from_text(text) for text in args.token]
    if args.tokens is not None:
        given = json.loads(args.tokens.read_bytes())
        if not isinstance(given, list):
            raise UsageError(f"{args.tokens} must hold a JSON array of tokens")
        tokens += [Token.from_json(obj) for obj in given]
    return tokens or [Token(DEMO_TOKEN, name="demo")]


def _tls(args: argparse.Namespace) -> ServerTls | None:
    if (args.cert is None) != (args.key is None):
        raise UsageError("--cert and --key belong together")
    if args.cert is None:
        if args.client_ca is not None:
            raise UsageError("--client-ca needs --cert and --key")
        return None
    return ServerTls(args.cert, args.key, args.client_ca)


def _address(option: str, text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdecimal() or int(port) > 65535:
        raise UsageError(f"{option} must be HOST:PORT, not {text!r}")
    return host.strip("[]"), int(port)


def _setting(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise UsageError(f"--switch must be NAME=VALUE, not {text!r}")
    return name, value


if __name__ == "__main__":
    sys.exit(main())
