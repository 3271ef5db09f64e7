"""The lesson *robust and non robust features*: its exercises."""
