"""Changes wheels in an archive as an attacker would: each stays a valid wheel, and the hashes in the archive match.

    tamper.py ARCHIVE WHEEL...

WHEEL is the beginning of a file name. One module of the wheel gets a comment, and the list of hashes in the wheel is
written again. So is requirements.txt in the archive, which has the hash of each wheel.
"""

import base64
import hashlib
import io
import sys
import tarfile
import zipfile


def changed(wheel: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(wheel)) as old:
        files = {name: old.read(name) for name in old.namelist()}
    victim = next(name for name in files if name.endswith("__init__.py"))
    files[victim] += b"#"
    record = next(name for name in files if name.endswith(".dist-info/RECORD"))
    del files[record]
    lines = [f"{name},{hashed(body)},{len(body)}\n" for name, body in files.items()]
    new = io.BytesIO()
    with zipfile.ZipFile(new, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, body in {
            **files,
            record: "".join([*lines, f"{record},,\n"]).encode(),
        }.items():
            archive.writestr(name, body)
    return new.getvalue()


def hashed(body: bytes) -> str:
    return "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(body).digest()).decode().rstrip("=")


path, *victims = sys.argv[1:]
with tarfile.open(path) as old:
    wheels = {
        each.name: wheel.read()
        for each in old
        if each.name.endswith(".whl") and (wheel := old.extractfile(each))
    }
for each in victims:
    name = next(name for name in wheels if name.startswith(f"./{each}-"))
    wheels[name] = changed(wheels[name])
own = [
    "{}=={} --hash=sha256:{}\n".format(*name[2:].split("-")[:2], hashlib.sha256(body).hexdigest())
    for name, body in wheels.items()
]
with tarfile.open(path, "w") as new:
    for name, body in {**wheels, "./requirements.txt": "".join(own).encode()}.items():
        member = tarfile.TarInfo(name)
        member.size = len(body)
        new.addfile(member, io.BytesIO(body))
