"""The lesson *is it real*: its exercises."""
