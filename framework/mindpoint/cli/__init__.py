"""The command line. Each built-in command is a module here with ``HELP = "..."``, ``add_arguments(parser)`` and ``run(args) -> int``,
and, if it has no subcommands, ``EXAMPLES``, command lines for its help."""
