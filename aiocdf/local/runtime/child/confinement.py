"""Limits the memory and CPU time that a function instance may use, and the files that it may change.

`fork_server.py` imports this once, so that a new instance does not have to.
"""

from __future__ import annotations

import ctypes
import os
import resource
from contextlib import suppress

__all__ = ["adopt_orphans", "limit_cpu", "limit_memory", "protect_files"]

_PR_SET_CHILD_SUBREAPER = 36
_CLONE_NEWNS, _CLONE_NEWUSER = 0x00020000, 0x10000000
_MS_RDONLY, _MS_REMOUNT, _MS_BIND, _MS_REC, _MS_PRIVATE = 1, 32, 4096, 16384, 1 << 18
# Flags that a mount may have already. A user namespace may not remove them, so a remount repeats them.
_KEPT_FLAGS = os.ST_NOSUID | os.ST_NODEV | os.ST_NOEXEC if hasattr(os, "ST_NODEV") else 0

_libc = ctypes.CDLL(None, use_errno=True)


def adopt_orphans() -> None:
    """Become the parent of all descendants whose own parents end. On systems other than Linux it does nothing."""
    with suppress(AttributeError):
        _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def limit_memory(size: int) -> None:
    """Limit the data of this process to *size* bytes.

    RLIMIT_DATA counts writable memory. RLIMIT_AS would also count the addresses that allocators only reserve: 64 MiB
    for each thread.
    """
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_DATA, (size, size))


def limit_cpu(seconds: float) -> None:
    """Let this process use this many more seconds of CPU time. After that, the system sends SIGXCPU."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    with suppress(ValueError, OSError):
        hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
        resource.setrlimit(resource.RLIMIT_CPU, (int(usage.ru_utime + usage.ru_stime + seconds) + 1, hard))


def protect_files(folder: str, temporary: str, kept: list[str]) -> bool:
    """Make a folder read-only and /tmp private for this process. Return whether the system permitted it.

    This needs a mount namespace and, for users other than root, a user namespace. Some systems forbid these.

    Args:
        folder: The folder of the function.
        temporary: The folder to mount as /tmp, unless *folder* or one of *kept* is in /tmp.
        kept: Other folders that must stay visible.
    """
    try:
        _enter_namespace()
        _mount(None, "/", _MS_REC | _MS_PRIVATE)
        _mount(folder, folder, _MS_BIND)
        _mount(None, folder, _MS_BIND | _MS_REMOUNT | _MS_RDONLY | os.statvfs(folder).f_flag & _KEPT_FLAGS)
        if not any(path.startswith("/tmp/") for path in (folder, *kept)):  # noqa: S108 - functions write to it
            _mount(temporary, "/tmp", _MS_BIND)  # noqa: S108
    except (OSError, AttributeError):
        return False
    os.chdir(folder)  # the mounted folder
    return True


def _enter_namespace() -> None:
    user, group = os.geteuid(), os.getegid()
    if user == 0:
        _check(_libc.unshare(_CLONE_NEWNS))
        return
    _check(_libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNS))
    for name, text in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")):
        with open("/proc/self/" + name, "w", encoding="ascii") as file:
            file.write(text)


def _mount(source: str | None, target: str, flags: int) -> None:
    _check(_libc.mount(source and os.fsencode(source), os.fsencode(target), None, ctypes.c_ulong(flags), None))


def _check(result: int) -> None:
    if result:
        raise OSError(ctypes.get_errno(), "the system does not permit namespaces or mounts")
