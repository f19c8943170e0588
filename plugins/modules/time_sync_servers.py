#!/usr/bin/python
"""Sets the NTP servers of a time client, in place of the existing servers or in addition to them."""

from __future__ import annotations

DOCUMENTATION = r"""
module: time_sync_servers
short_description: Sets the NTP servers of a time client
description:
  - Lines that name other servers are commented out with a mark, and come back when they are to be used again.
options:
  path: {type: path, required: true, description: The settings. They get the lines.}
  others:
    type: list
    elements: path
    default: []
    description: Patterns of files that may name servers too.
  lines: {type: list, elements: str, required: true, description: A line for each server.}
  replace: {type: bool, required: true, description: Leave the other servers out.}
author: sls-hec-forwarder maintainers
attributes:
  check_mode: {support: full}
  diff_mode: {support: full}
"""

EXAMPLES = r"""
- name: Use these servers only
  sls_hec.appliance.time_sync_servers:
    path: /etc/chrony/chrony.conf
    others: [/etc/chrony/sources.d/*.sources]
    lines: [server ntp1.example.com iburst, server ntp2.example.com iburst]
    replace: true
"""

RETURN = r"""
diff:
  description: Each file that differed, before and after.
  returned: always
  type: list
  elements: dict
"""

import glob  # noqa: E402
import re  # noqa: E402
import tempfile  # noqa: E402
from collections.abc import Sequence  # noqa: E402
from pathlib import Path  # noqa: E402

from ansible.module_utils.basic import AnsibleModule  # noqa: E402

BEGIN, END = "# BEGIN servers of the relay", "# END servers of the relay"
OURS = re.compile(rf"^{BEGIN}\n.*?^{END}\n", re.MULTILINE | re.DOTALL)
ASIDE = "#relay# "
NAMED = re.compile(r"^(?=[ \t]*(?:pool|servers?|peer)[ \t])", re.MULTILINE)


def edited(text: str, lines: Sequence[str], replace: bool) -> str:
    """The settings with these lines; `replace` comments out all other servers."""
    text = re.sub(f"^{ASIDE}", "", OURS.sub("", text), flags=re.MULTILINE)
    if replace:
        text = NAMED.sub(ASIDE, text)
    if not lines:
        return text
    if text and not text.endswith("\n"):
        text += "\n"
    return text + "\n".join([BEGIN, *lines, END, ""])


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "others": {"type": "list", "elements": "path", "default": []},
            "lines": {"type": "list", "elements": "str", "required": True},
            "replace": {"type": "bool", "required": True},
        },
        supports_check_mode=True,
    )
    wanted = module.params
    main_file = Path(wanted["path"])
    if not main_file.is_file():
        module.fail_json(msg=f"{main_file} does not exist, so no servers can be set in it")
    others = {Path(path) for pattern in wanted["others"] for path in glob.glob(pattern)} - {main_file}
    diffs = []
    for file in [main_file, *sorted(others)]:
        # The error handler keeps bytes that are not UTF-8.
        before = file.read_text(encoding="utf-8", errors="surrogateescape")
        after = edited(before, wanted["lines"] if file == main_file else [], wanted["replace"])
        if after == before:
            continue
        shown = {"before": before, "after": after, "before_header": str(file), "after_header": str(file)}
        diffs.append(shown)
        if not module.check_mode:
            with tempfile.NamedTemporaryFile(
                "w", encoding="utf-8", errors="surrogateescape", dir=module.tmpdir, delete=False
            ) as new:
                new.write(after)
            module.atomic_move(new.name, str(file))
    module.exit_json(changed=bool(diffs), diff=diffs)


if __name__ == "__main__":
    main()
