"""`check`: tests every step of the connections to SLS and to the collectors, before anything runs."""
