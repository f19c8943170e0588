"""A stand-in for Alibaba Cloud Log Service."""

from sls_hec_standins.sls.auth import Key
from sls_hec_standins.sls.standin import SlsStandin
from sls_hec_standins.sls.switches import Switches

__all__ = ["Key", "SlsStandin", "Switches"]
