"""Finding out whether the framework can work here, and fast."""
