"""C++ kernels for CPUs: their compilation, and those that serve any network."""
