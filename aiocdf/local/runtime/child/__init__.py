"""The programs that run functions, in the functions' own Pythons. They use the standard library of Python 3.10 only."""
