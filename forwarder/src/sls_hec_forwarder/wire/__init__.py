"""LogGroupList bytes to HEC envelope bytes: pure functions, no I/O, no clock."""
