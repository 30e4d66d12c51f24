"""The certificate authorities that the client trusts."""

from __future__ import annotations

import ssl
from pathlib import Path

from aiocdf.errors import ConfigError

__all__ = ["trusting"]


def trusting(ca_file: str) -> ssl.SSLContext:
    """Return a TLS context that trusts the authorities in *ca_file* in addition to the system's; this reads files.

    Args:
        ca_file: A file with certificates in PEM form.

    Raises:
        ConfigError: It is not readable, or has no certificate.
    """
    context = ssl.create_default_context()
    problem = None
    try:
        # OpenSSL would hang on a FIFO.
        if not Path(ca_file).stat() or not Path(ca_file).is_file():
            problem = "is not a file"
        else:
            context.load_verify_locations(cafile=ca_file)
    except ssl.SSLError:
        problem = "has no certificate in PEM form"
    except (OSError, ValueError) as error:
        problem = f"is not readable: {getattr(error, 'strerror', None) or error}"
    if problem:
        raise ConfigError(f"ca_file {ca_file} {problem}. Settings(ca_file=...) or AIOCDF_CA_FILE names it.")
    context.set_alpn_protocols(["http/1.1"])
    return context
