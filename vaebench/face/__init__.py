"""What ``vaebench`` offers to Python, one function a file.

Functions return plain things: torch modules, numpy arrays, records and pandas tables. What cannot be done is
a ``vaebench.VaebenchError`` of one line. Where a command does the same, both call the same function.
"""
