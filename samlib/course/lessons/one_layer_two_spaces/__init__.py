"""The lesson *one layer two spaces*: its exercises."""
