"""The HTTP/1.1 server under both stand-ins, with faults on demand. Knows neither SLS nor HEC."""
