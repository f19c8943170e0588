"""The service behind HTTP: authentication, routing, permissions, and the common headers of answers."""

from __future__ import annotations

import itertools
from email.utils import formatdate

from sls_hec_standins.http import Fault, Request, Response
from sls_hec_standins.sls import errors, routes
from sls_hec_standins.sls.auth import authenticate
from sls_hec_standins.sls.hosts import project_of
from sls_hec_standins.sls.service import ACCOUNT, Call, Service, refusal

# The error code of an "error" fault that gives only a status.
_FAULT_CODES = {
    400: "ParameterInvalid",
    401: "Unauthorized",
    403: "ReadQuotaExceed",
    404: "LogStoreNotExist",
    500: "InternalServerError",
    503: "ServerBusy",
}
_HTTP_CODES = {413: "PostBodyTooLarge", 500: "InternalServerError"}


class SlsApp:
    """Implements `sls_hec_standins.http.App` for a `Service`."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._requests = itertools.count(1)

    def route(self, head: Request) -> str:
        return _name(self._find(head))

    def handle(self, request: Request) -> Response:
        try:
            response = self._answer(request)
        except errors.SlsError as error:
            response = refusal(error)
        return self._with_common_headers(response)

    def fault_response(self, route: str, fault: Fault) -> Response:
        status = fault.get("status", 500)
        code = str(fault.get("code", _FAULT_CODES.get(status, "InternalServerError")))
        error = errors.SlsError(status, code, fault.get("text", f"fault injected into {route}"))
        response = refusal(error)
        extra = [(name, str(value)) for name, value in fault.get("headers", {}).items()]
        return self._with_common_headers(
            Response(response.status, [*response.headers, *extra], response.body)
        )

    def error_response(self, status: int, text: str) -> Response:
        code = _HTTP_CODES.get(status, "ParameterInvalid")
        return self._with_common_headers(refusal(errors.SlsError(status, code, text)))

    def _answer(self, request: Request) -> Response:
        service = self._service
        found = self._find(request)
        skew = service.faults.take("skew", _name(found))
        now = service.clock.now() + (skew.get("ahead", 3600) if skew else 0)
        key = authenticate(request, service.keys, now, service.switches, service.region)
        project = self._project(request)
        if project and not key.owns(project):
            raise errors.unauthorized(f"The project does not belong to you: {project}")
        if found is None:
            raise errors.invalid_method(request.method)
        route, names = found
        if not key.permits(route.action):
            raise errors.denied(route.action, _resource(service.region, project, names))
        return route.handler(Call(service, request, route.name, project, names, key))

    def _project(self, request: Request) -> str:
        return project_of(request.headers.get("host", ""), self._service.endpoints)

    def _find(self, request: Request) -> routes.Found | None:
        has_project = bool(self._project(request))
        return routes.find(request.method, request.path, request.query, has_project)

    def _with_common_headers(self, response: Response) -> Response:
        now = int(self._service.clock.now())
        headers = [
            *response.headers,
            ("Date", formatdate(now, usegmt=True)),
            ("Server", "Tengine"),
            ("Access-Control-Allow-Origin", "*"),
            ("x-log-time", str(now)),
            ("x-log-requestid", f"{now & 0xFFFFFFFF:08X}{next(self._requests):016X}"),
        ]
        return Response(response.status, headers, response.body)


def _name(found: routes.Found | None) -> str:
    return routes.UNKNOWN if found is None else found[0].name


def _resource(region: str, project: str, names: dict[str, str]) -> str:
    resource = f"acs:log:{region}:{ACCOUNT}:project/{project or '*'}"
    if "logstore" in names:
        resource += f"/logstore/{names['logstore']}"
    if "group" in names:
        resource += f"/consumergroup/{names['group']}"
    return resource
