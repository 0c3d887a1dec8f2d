"""Write a configuration for the user's own annotated photographs: ``mindpoint new``."""
