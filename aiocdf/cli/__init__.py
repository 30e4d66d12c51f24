"""The command line: the only part of aiocdf that writes to terminals."""
