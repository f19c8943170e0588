"""Makes archives equal whose content is: packs each FILE, a .tar or .tar.gz, anew.

    repack.py FILE...

Members are sorted, belong to nobody, have the time of SOURCE_DATE_EPOCH (unix seconds, required), and mode
755 if they are folders or can be run, else 644. A collection's FILES.json, which ansible-galaxy writes in the
order of the file system, is sorted as well; MANIFEST.json, which has its hash, is changed with it, and both
stay in front, for readers that stop there. The content of no other file changes.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import sys
import tarfile
from pathlib import Path

_FRONT = ("MANIFEST.json", "FILES.json")


def repack(file: Path, epoch: int) -> None:
    """Replaces `file`. Raises ValueError where a member is neither a file, a folder nor a symbolic link."""
    members: dict[str, tuple[tarfile.TarInfo, bytes]] = {}
    with tarfile.open(file) as archive:
        for each in archive:
            if not (each.isreg() or each.isdir() or each.issym()):
                raise ValueError(f"{file} holds {each.name!r}, which is no file, folder or symbolic link")
            content = archive.extractfile(each) if each.isreg() else None
            members[each.name] = (_plain(each, epoch), content.read() if content else b"")
    if members.keys() >= set(_FRONT):
        _sort_collection(members)
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name in sorted(members, key=lambda name: (name not in _FRONT, name != _FRONT[0], name)):
            info, data = members[name]
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    data = packed.getvalue()
    file.write_bytes(gzip.compress(data, mtime=0) if file.suffix == ".gz" else data)


def _plain(member: tarfile.TarInfo, epoch: int) -> tarfile.TarInfo:
    plain = tarfile.TarInfo(member.name)
    plain.type, plain.linkname, plain.mtime = member.type, member.linkname, epoch
    plain.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
    return plain


def _sort_collection(members: dict[str, tuple[tarfile.TarInfo, bytes]]) -> None:
    info, data = members["FILES.json"]
    files = json.loads(data)
    files["files"].sort(key=lambda each: each["name"])
    data = json.dumps(files, indent=1).encode()
    members["FILES.json"] = info, data
    info, manifest = members["MANIFEST.json"]
    document = json.loads(manifest)
    document["file_manifest_file"]["chksum_sha256"] = hashlib.sha256(data).hexdigest()
    members["MANIFEST.json"] = info, json.dumps(document, indent=1).encode()


if __name__ == "__main__":
    for name in sys.argv[1:]:
        repack(Path(name), int(os.environ["SOURCE_DATE_EPOCH"]))
