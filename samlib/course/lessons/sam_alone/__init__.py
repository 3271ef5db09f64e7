"""The lesson *sam alone*: its exercises."""
