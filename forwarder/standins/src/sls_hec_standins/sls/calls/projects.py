"""Project calls (API reference, "Project interfaces")."""

from __future__ import annotations

import time
from typing import Any

from sls_hec_standins.http import Response
from sls_hec_standins.sls import errors
from sls_hec_standins.sls.service import ACCOUNT, Call, answer, done, has_type
from sls_hec_standins.sls.store import Project


def create(call: Call) -> Response:
    """The body names the project. So does the host of some SDKs; that of others is the bare endpoint."""
    info = call.json(errors.parameter_invalid)
    if not isinstance(info, dict) or not has_type(info, "projectName", str):
        raise errors.parameter_invalid("The body is not valid json string.")
    name = info["projectName"]
    if call.project_name not in ("", name):
        raise errors.parameter_invalid(f"project name {name} is not that of the host")
    if not call.key.owns(name):
        raise errors.unauthorized(f"The project does not belong to you: {name}")
    call.service.store.create_project(name, str(info.get("description") or ""))
    return done()


def update(call: Call) -> Response:
    info = call.json(errors.parameter_invalid)
    if not isinstance(info, dict) or not has_type(info, "description", str):
        raise errors.parameter_invalid("The body is not valid json string.")
    project = call.project()
    project.description, project.modified = info["description"], int(call.now)
    return done()


def get(call: Call) -> Response:
    return answer(_info(call.project(), call.service.region, _date))


def delete(call: Call) -> Response:
    call.service.store.delete_project(call.project().name)
    return done()


def list_all(call: Call) -> Response:
    part = call.query.get("projectName", "")
    found = [project for project in call.service.store.projects() if part in project.name]
    offset = call.number("offset", 0, 0, 1 << 31)
    page = found[offset : offset + call.number("size", 100, 1, 500)]
    projects = [_info(project, call.service.region, str) for project in page]
    return answer({"count": len(projects), "total": len(found), "projects": projects})


def _info(project: Project, region: str, show: Any) -> dict[str, Any]:
    return {
        "projectName": project.name,
        "status": "Disable" if project.forbidden else "Normal",
        "owner": ACCOUNT,
        "description": project.description,
        "region": region,
        "createTime": show(project.created),
        "lastModifyTime": show(project.modified),
    }


def _date(seconds: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(seconds))
