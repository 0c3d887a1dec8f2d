"""A configuration for somebody's own annotated photographs: ``mindpoint new``."""
