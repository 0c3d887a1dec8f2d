"""Device, seeds, processes and environment: the only place that sets MindSpore's context."""
