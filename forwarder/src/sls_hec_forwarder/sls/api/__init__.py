"""Calls to SLS: credentials, requests, answers and errors. The only place that knows the SDK."""
