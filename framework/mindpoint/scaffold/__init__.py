"""New distributions with parts, tests and a configuration that trains: ``mindpoint plugins new``."""

from mindpoint.scaffold.distribution import PARTS, write_distribution

__all__ = ["PARTS", "write_distribution"]
