"""For tests of programs that call functions: a service in memory, and a local server for code that knows no event loop.

The fixtures `cdf_service`, `cdf_server`, `cdf_client` and `cdf_environment` of the pytest plugin are made of these. Needs
the extra `testing`.
"""

from __future__ import annotations

from aiocdf.testing.answers import Answer, Late, RequestSeen
from aiocdf.testing.fake_service import FakeService
from aiocdf.testing.runs import FakeCall, Run
from aiocdf.testing.server_thread import ServerThread

__all__ = ["Answer", "FakeCall", "FakeService", "Late", "RequestSeen", "Run", "ServerThread"]
