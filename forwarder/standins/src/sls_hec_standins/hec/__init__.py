"""A stand-in for the Splunk HTTP Event Collector."""

from sls_hec_standins.hec.compare import Comparison, compare, fetch_rows
from sls_hec_standins.hec.envelopes import Event
from sls_hec_standins.hec.standin import DEMO_TOKEN, HecStandin
from sls_hec_standins.hec.store import Store
from sls_hec_standins.hec.tokens import Token

__all__ = ["DEMO_TOKEN", "Comparison", "Event", "HecStandin", "Store", "Token", "compare", "fetch_rows"]
