"""YAML files with inheritance, references and overrides to checked configurations, and those to parts."""

from mindpoint.config.configuration import Config, load_config
from mindpoint.config.files import shipped

__all__ = ["Config", "load_config", "shipped"]
