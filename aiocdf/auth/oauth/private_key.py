"""The private key with which an application signs its client assertion, instead of sending a secret."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiocdf.errors import ConfigError

if TYPE_CHECKING:
    from joserfc.jwk import ECKey, OKPKey, RSAKey

    from aiocdf.secret import Secret

__all__ = ["algorithm_of", "import_key"]

_CURVES = {"P-256": "ES256", "P-384": "ES384", "P-521": "ES512", "secp256k1": "ES256K"}


def import_key(pem: Secret) -> RSAKey | ECKey | OKPKey:
    """Read an RSA, elliptic curve or Ed25519 key in PEM.

    Raises:
        ConfigError: It is none of these, or encrypted.
    """
    # Takes longer to import than all of aiocdf.
    from joserfc.jwk import ECKey, OKPKey, RSAKey

    for kind in (RSAKey, ECKey, OKPKey):
        try:
            key = kind.import_key(pem.reveal())
        except Exception:  # noqa: BLE001, S112 - each kind says no in its own way, and the messages may quote the key
            continue
        if key.is_private:
            return key
    raise ConfigError(
        "client_secret is not a private key: private_key_jwt takes an RSA, EC or Ed25519 key as unencrypted PEM text."
    )


def algorithm_of(key: RSAKey | ECKey | OKPKey) -> str:
    """Return the signature algorithm that goes with the key (RFC 7518 section 3.1, RFC 8037)."""
    match key.key_type:
        case "RSA":
            return "RS256"
        case "EC":
            return _CURVES[str(key.as_dict()["crv"])]
        case _:
            return "EdDSA"
