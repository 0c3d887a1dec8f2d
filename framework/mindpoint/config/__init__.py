"""Turns YAML files with inheritance, references and overrides into checked configurations, and configurations into parts."""

from mindpoint.config.configuration import Config, config_of, load_config
from mindpoint.config.files import shipped
from mindpoint.config.node import Trust

__all__ = ["Config", "Trust", "config_of", "load_config", "shipped"]
