"""Metrics and health of a running relay over HTTP, with the official Prometheus client."""

from sls_hec_forwarder.metrics.metrics import Metrics

__all__ = ["Metrics"]
