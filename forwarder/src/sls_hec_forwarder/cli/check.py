"""`check`: prints each finding at once, as one line."""

from __future__ import annotations

import argparse
import dataclasses
import os

from sls_hec_forwarder import settings as configuration
from sls_hec_forwarder.cli.output import flush, say, say_json
from sls_hec_forwarder.errors import SettingsError
from sls_hec_forwarder.settings.env_file import environment

#: Fixed widths of the columns, since findings are printed before the later ones are known.
_STATUS, _AREA, _WHAT = 11, 8, 20


def command(arguments: argparse.Namespace) -> int:
    """1 when something failed."""
    try:
        settings = configuration.load(environment(os.environ, arguments.env_file))
    except SettingsError as error:
        if arguments.json:
            say_json({"ok": False, "problems": error.problems, "checks": []})
        raise

    from sls_hec_forwarder.doctor.checks import Finding, Status, check
    from sls_hec_forwarder.process.logs import Secrets

    secrets = Secrets()
    secrets.add(configuration.secrets(settings))
    findings: list[Finding] = []
    for found in check(settings, send_test_event=arguments.send_test_event):
        # A server's or proxy's answer may quote a secret from the request.
        finding = dataclasses.replace(found, text=secrets.hide(" ".join(found.text.split())))
        findings.append(finding)
        if not arguments.json:
            where = f"{finding.where}: " if finding.where else ""
            say(
                f"{finding.status.value:<{_STATUS}}  {finding.area:<{_AREA}}  {finding.what:<{_WHAT}}  "
                f"{where}{finding.text}"
            )
            flush()
    failed = sum(finding.status is Status.FAILED for finding in findings)
    if arguments.json:
        checks = [
            {**dataclasses.asdict(finding), "status": finding.status.value.lower()} for finding in findings
        ]
        say_json({"ok": not failed, "problems": [], "checks": checks})
    else:
        warnings = sum(finding.status is Status.WARNING for finding in findings)
        say("", f"{len(findings)} findings, {failed} failed, {warnings} warnings")
    return 1 if failed else 0
