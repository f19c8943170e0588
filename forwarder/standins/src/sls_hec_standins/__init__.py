"""Stand-ins for SLS and Splunk HEC: instruments for tests, the demo and benchmarks."""
