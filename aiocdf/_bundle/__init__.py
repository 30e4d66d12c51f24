"""The code of a function, from a folder or a callable to the zip file that is uploaded."""
