"""The command `sls-standin`."""

from __future__ import annotations

import argparse
import logging
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from sls_hec_standins.http import ServerTls
from sls_hec_standins.sls import switches
from sls_hec_standins.sls.errors import SlsError
from sls_hec_standins.sls.service import REGION
from sls_hec_standins.sls.standin import ENDPOINT, SlsStandin

_DESCRIPTION = """\
A stand-in for Alibaba Cloud Log Service: the real wire protocol, faults on demand, and an account of every
log it holds. When it can be used it prints one line:

    sls-standin ready url=http://127.0.0.1:8080 admin=http://127.0.0.1:8081

Let clients use the url as their http_proxy with the endpoint http://sls.test. It ends on SIGTERM or
SIGINT."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run until told to stop. Status 2 for wrong arguments, 1 if it cannot start."""
    arguments = parser()
    args = arguments.parse_args(argv)
    if args.list_switches:
        sys.stdout.write(_switch_list())
        return 0
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        standin = _standin(args)
        with standin:
            sys.stdout.write(f"sls-standin ready url={standin.url} admin={standin.admin_url}\n")
            sys.stdout.flush()
            stop.wait()
    except ValueError as error:
        arguments.error(str(error))
    except (OSError, SlsError) as error:
        sys.stderr.write(f"sls-standin: {error}\n")
        return 1
    return 0


def _standin(args: argparse.Namespace) -> SlsStandin:
    standin = SlsStandin(
        host=args.host,
        port=args.port,
        admin_port=args.admin_port,
        tls=_tls(args.tls_cert, args.tls_key, args.tls_client_ca),
        tunnel_tls=_tls(args.tunnel_cert, args.tunnel_key, None),
        endpoints=args.endpoint or [ENDPOINT],
        region=args.region,
        seed=args.seed,
        switches=switches.Switches().replace(dict(map(switches.parse, args.switch))),
        pull_cache=args.pull_cache << 20,
    )
    for text in args.key:
        key_id, colon, secret = text.partition(":")
        if not (key_id and colon and secret):
            raise ValueError("--key is ID:SECRET")
        standin.add_key(key_id, secret)
    for text in args.create:
        path, _, shards = text.partition(":")
        project, slash, logstore = path.partition("/")
        if not slash or (shards and not shards.isdecimal()):
            raise ValueError(f"--create is PROJECT/LOGSTORE or PROJECT/LOGSTORE:SHARDS, not {text!r}")
        standin.create_logstore(project, logstore, shards=int(shards or 2))
    return standin


def _tls(cert: Path | None, key: Path | None, client_ca: Path | None) -> ServerTls | None:
    if cert is None and key is None and client_ca is None:
        return None
    if cert is None or key is None:
        raise ValueError("a certificate and its key are given together")
    return ServerTls(cert, key, client_ca)


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
    add("--host", default="127.0.0.1", help="address to listen on (default %(default)s)")
    add("--port", type=int, default=0, help="port of the service (default: a free one)")
    add("--admin-port", type=int, default=0, help="port of the admin API (default: a free one)")
    add("--endpoint", action="append", default=[], metavar="NAME",
        help=f"host name that names no project (default {ENDPOINT}); may be repeated")  # fmt: skip
    add("--region", default=REGION, help="region of the service (default %(default)s)")
    add("--key", action="append", default=[], metavar="ID:SECRET",
        help="an access key to accept; may be repeated")  # fmt: skip
    add("--create", action="append", default=[], metavar="PROJECT/LOGSTORE[:SHARDS]",
        help="a logstore to start with, of 2 shards unless said; may be repeated")  # fmt: skip
    add("--switch", action="append", default=[], metavar="NAME=VALUE",
        help="behaviour where the sources disagree, see --list-switches; may be repeated")  # fmt: skip
    add("--list-switches", action="store_true", help="print the switches with their values and end")
    add("--seed", type=int, default=0, help="seed of the faults (default %(default)s)")
    add("--pull-cache", type=int, default=256, metavar="MIB",
        help="memory for prepared answers (default %(default)s)")  # fmt: skip
    add("--tls-cert", type=Path, metavar="PEM", help="serve https with this certificate")
    add("--tls-key", type=Path, metavar="PEM", help="the key of --tls-cert")
    add("--tls-client-ca", type=Path, metavar="PEM", help="demand client certificates of this CA")
    add("--tunnel-cert", type=Path, metavar="PEM",
        help="answer https URLs sent to the stand-in as a proxy, with this certificate")  # fmt: skip
    add("--tunnel-key", type=Path, metavar="PEM", help="the key of --tunnel-cert")
    return made


if __name__ == "__main__":
    sys.exit(main())
