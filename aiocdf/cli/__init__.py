"""The command line: the only part of aiocdf that draws on terminals."""
