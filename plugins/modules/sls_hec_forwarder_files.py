#!/usr/bin/python
"""Writes the files of all instances in one task; a task for each file would take a second per file."""

from __future__ import annotations

DOCUMENTATION = r"""
module: sls_hec_forwarder_files
short_description: Writes many small files and makes their folders at once
description:
  - All of them belong to root. A file is replaced as a whole, and only when something differs.
options:
  folders: {type: dict, default: {}, description: The mode of each folder by its path.}
  files: {type: dict, default: {}, description: The text of each file by its path.}
  mode: {type: str, default: "0644", description: Of all files.}
  exclusive: {type: list, elements: path, default: [], description: Folders in which no other file stays.}
author: sls-hec-forwarder maintainers
attributes:
  check_mode: {support: full}
  diff_mode: {support: full}
"""

EXAMPLES = r"""
- name: Write settings
  sls_hec.appliance.sls_hec_forwarder_files:
    folders: {/etc/sls-hec-forwarder/instances: "0755"}
    files: {/etc/sls-hec-forwarder/instances/waf-1.env: "HEC_INDEX=cloud\n"}
"""

RETURN = r"""
paths:
  description: Files and folders that differed.
  returned: always
  type: list
  elements: str
"""

import contextlib  # noqa: E402
import errno  # noqa: E402
import os  # noqa: E402
import stat  # noqa: E402
import tempfile  # noqa: E402

from ansible.module_utils.basic import AnsibleModule  # noqa: E402


class Change:
    """Finds differences, and corrects them unless `dry`. `owner` is a user id and a group id."""

    def __init__(self, dry: bool, owner: tuple[int, int] = (0, 0)) -> None:
        self.dry = dry
        self.owner = owner
        self.changed: list[str] = []
        self.diff: list[dict[str, str]] = []

    def folder(self, path: str, mode: int) -> None:
        if not os.path.isdir(path):
            self._note(path, "", "a folder\n")
            if self.dry:
                return
            os.mkdir(path, mode)
        self._attributes(path, mode)

    def file(self, path: str, text: str, mode: int) -> None:
        before, after = None, text.encode()
        with contextlib.suppress(FileNotFoundError):
            before = _content(path)
        if before == after:
            self._attributes(path, mode)
            return
        self._note(path, (before or b"").decode(errors="replace"), text)
        if not self.dry:
            self._replace(path, after, mode)

    def only(self, folder: str, wanted: set[str]) -> None:
        if not os.path.isdir(folder):
            return
        for entry in sorted(os.scandir(folder), key=lambda each: each.name):
            if entry.path not in wanted and entry.is_file(follow_symlinks=False):
                self._note(entry.path, "to be removed\n", "")
                if not self.dry:
                    os.remove(entry.path)

    def _attributes(self, path: str, mode: int) -> None:
        found = os.stat(path)
        before = (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode))
        after = (*self.owner, mode)
        if before == after:
            return
        self._note(path, "{}:{} {:04o}\n".format(*before), "{}:{} {:04o}\n".format(*after))
        if not self.dry:
            os.chown(path, *self.owner)
            os.chmod(path, mode)

    def _replace(self, path: str, content: bytes, mode: int) -> None:
        """Replaces the file atomically: a reader sees the old content or the new."""
        number, new = tempfile.mkstemp(dir=os.path.dirname(path), prefix=".new-")
        try:
            with open(number, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(number)
            os.chown(new, *self.owner)
            os.chmod(new, mode)
            os.replace(new, path)
        except BaseException:
            os.remove(new)
            raise

    def _note(self, path: str, before: str, after: str) -> None:
        self.changed.append(path)
        self.diff.append({"before_header": path, "after_header": path, "before": before, "after": after})


def _content(path: str) -> bytes:
    """The content of a regular file; raises OSError for anything else, which this module cannot have made."""
    number = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(number).st_mode):
        os.close(number)
        raise OSError(errno.EINVAL, "is no plain file; remove it", path)
    with open(number, "rb") as file:
        return file.read()


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "folders": {"type": "dict", "default": {}},
            "files": {"type": "dict", "default": {}},
            "mode": {"type": "str", "default": "0644"},
            "exclusive": {"type": "list", "elements": "path", "default": []},
        },
        supports_check_mode=True,
    )
    wanted = module.params
    files = {os.path.normpath(path): str(text) for path, text in wanted["files"].items()}
    change = Change(module.check_mode)
    try:
        for path, mode in sorted(wanted["folders"].items()):
            change.folder(path, int(mode, 8))
        for folder in wanted["exclusive"]:
            change.only(folder, set(files))
        for path, text in files.items():
            change.file(path, text, int(wanted["mode"], 8))
    except OSError as error:
        module.fail_json(msg=f"{error.filename}: {error.strerror}", paths=change.changed)
    module.exit_json(changed=bool(change.changed), paths=change.changed, diff=change.diff)


if __name__ == "__main__":
    main()
