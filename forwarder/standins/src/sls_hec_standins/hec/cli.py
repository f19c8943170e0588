"""The command `hec-standin`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from sls_hec_standins.hec.behaviour import PROFILES, describe_switches
from sls_hec_standins.hec.standin import DEMO_TOKEN, HecStandin
from sls_hec_standins.hec.tokens import Token
from sls_hec_standins.http.command import UsageError, address, run, server_tls

_EPILOG = """\
tokens: VALUE, then settings separated by commas, for instance
  --token 11111111-2222-3333-4444-555555555555,name=audit,use_ack,indexes=audit|main,index=audit
or a file with a JSON array of objects such as
  {"token": "...", "name": "audit", "use_ack": true, "indexes": ["audit"], "index": "audit"}
settings: name, use_ack, disabled, indexes, index, source, sourcetype, host, connection_host (ip, proxied_ip,
none), query_string.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run until SIGTERM or SIGINT. Exit code 2 for a command line that cannot be carried out."""
    args = parser().parse_args(argv)
    if args.list_switches:
        sys.stdout.write(describe_switches())
        return 0
    return run("hec-standin", "hec", lambda: _standin(args))


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="hec-standin",
        description="A Splunk HTTP Event Collector for tests and demos: stores what a real one would index.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = made.add_argument
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
    return made


def _standin(args: argparse.Namespace) -> HecStandin:
    if args.keep is not None and args.keep < 0:
        raise UsageError("--keep must not be negative")
    host, port = address("--listen", args.listen)
    admin_host, admin_port = address("--admin", args.admin)
    return HecStandin(
        profile=args.profile,
        switches=PROFILES[args.profile].parsed(dict(_setting(text) for text in args.switch)),
        tokens=_tokens(args),
        host=host,
        port=port,
        admin_host=admin_host,
        admin_port=admin_port,
        tls=server_tls(args.cert, args.key, args.client_ca),
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


def _setting(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise UsageError(f"--switch must be NAME=VALUE, not {text!r}")
    return name, value


if __name__ == "__main__":
    sys.exit(main())
