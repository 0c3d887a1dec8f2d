"""Parts as they are written into a new distribution: ``Acme`` in a name becomes that of the distribution."""
