"""The HTTP/1.1 server under both stand-ins, with faults on demand. Knows neither SLS nor HEC."""

from sls_hec_standins.http.admin import AdminApp, Routes, admin_server, json_body
from sls_hec_standins.http.app import App, ResetConnection
from sls_hec_standins.http.clock import Clock
from sls_hec_standins.http.faults import NUMBER, Fault, Faults, ParamTypes
from sls_hec_standins.http.message import BadRequest, Request, Response, json_response, text_response
from sls_hec_standins.http.server import Server
from sls_hec_standins.http.standin import Standin
from sls_hec_standins.http.tls import Certificate, ServerTls, ThrowawayCa

__all__ = [
    "NUMBER",
    "AdminApp",
    "App",
    "BadRequest",
    "Certificate",
    "Clock",
    "Fault",
    "Faults",
    "ParamTypes",
    "Request",
    "ResetConnection",
    "Response",
    "Routes",
    "Server",
    "ServerTls",
    "Standin",
    "ThrowawayCa",
    "admin_server",
    "json_body",
    "json_response",
    "text_response",
]
