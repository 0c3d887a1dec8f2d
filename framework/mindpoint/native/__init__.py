"""C++ kernels for CPUs: how they are compiled, and the kernels that any network can use."""
