"""The calls of the service, one function each: a `Call` in, a `Response` out, `SlsError` for a refusal."""
