"""Runs that outgrow a notebook: the measured tables and the command line."""
