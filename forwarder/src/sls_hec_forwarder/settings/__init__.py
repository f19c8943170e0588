"""Settings: environment variables, and files for secrets, become one typed object.

Imports only the standard library and `wire.rules`, so that a wrong setting is reported at once.
"""

from sls_hec_forwarder.settings.conflicts import warnings
from sls_hec_forwarder.settings.load import describe, load, load_one, reload_secrets, secrets
from sls_hec_forwarder.settings.model import HecSettings, RelaySettings, Settings, SlsSettings

__all__ = [
    "HecSettings",
    "RelaySettings",
    "Settings",
    "SlsSettings",
    "describe",
    "load",
    "load_one",
    "reload_secrets",
    "secrets",
    "warnings",
]
