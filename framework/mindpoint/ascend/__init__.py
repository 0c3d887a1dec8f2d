"""What can be told of an Ascend without one."""
