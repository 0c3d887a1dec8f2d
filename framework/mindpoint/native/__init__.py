"""Kernels in C++ for CPUs: how they are compiled, and those that serve any network."""
