"""Kernels as machine code: Numba compiles them once, in a process of its own; LLVM loads them from a cache then."""
