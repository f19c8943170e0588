"""What can be seen of a running relay from outside, with the official Prometheus client."""

from sls_hec_forwarder.metrics.metrics import Metrics

__all__ = ["Metrics"]
