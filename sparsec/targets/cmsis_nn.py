"""What sparsec knows of CMSIS-NN beyond the prototypes in its header: which of its files are compiled."""

SOURCES = ("*_s[0-9]*.c", "*_q[0-9]*.c", "arm_nntables.c")
"""Patterns of the names of files, in all folders below Source/: those that its own CMakeLists.txt compiles by default.

Files for float16 and float32, which newer ones have as well, are not among them.
"""
