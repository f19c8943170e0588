"""Single calls to the HTTP Event Collector: its address, the token, the meaning of an answer."""
