"""The templates of the parts of a new distribution: ``Acme`` in a name is replaced by the name of the distribution."""
