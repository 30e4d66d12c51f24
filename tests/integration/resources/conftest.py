"""One local server with a few functions, and a client of it, for all tests of the resources."""

from __future__ import annotations

import pytest
import pytest_asyncio

from aiocdf.local import serve

FUNCTIONS = {
    "double": "def handle(data):\n    print('doubling')\n    return {'value': 2 * data['x']}\n",
    "triple": "def handle(data):\n    return 3 * data['x']\n",
    "fails": "def handle(data):\n    raise ValueError('no')\n",
    "count": "import time\ndef handle(data):\n    for n in range(3):\n        print(n)\n        time.sleep(0.5)\n",
}


@pytest.fixture(scope="package")
def root(tmp_path_factory):
    """A folder of functions."""
    root = tmp_path_factory.mktemp("functions")
    for name, code in FUNCTIONS.items():
        (root / name).mkdir()
        (root / name / "handler.py").write_text(code)
    return root


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def server(root):
    """A server of these functions."""
    async with serve(root) as server:
        yield server


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def client(server):
    """A client of it."""
    async with server.client() as client:
        yield client
