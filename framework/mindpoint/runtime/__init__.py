"""Device, seeds, processes and environment. Only this package sets MindSpore's context."""
