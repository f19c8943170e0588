"""One AccessKey, in the shape that the SDK signs with (aliyun/log/credentials.py)."""

from __future__ import annotations


class AccessKey:
    """An AccessKey with its security token, if any. Its printed form contains no secret."""

    __slots__ = ("_id", "_secret", "_token")

    def __init__(self, key_id: str, secret: str, token: str = "") -> None:
        self._id = key_id
        self._secret = secret
        self._token = token

    # The names are the SDK's.

    def get_access_key_id(self) -> str:
        return self._id

    def get_access_key_secret(self) -> str:
        return self._secret

    def get_security_token(self) -> str:
        return self._token

    def redact(self, text: str) -> str:
        """`text` without the secret and the token: some messages of SLS quote what was signed."""
        for secret in (self._secret, self._token):
            if secret:
                text = text.replace(secret, "***")
        return text

    def __repr__(self) -> str:
        return f"AccessKey({self._id[:4]}...)"
