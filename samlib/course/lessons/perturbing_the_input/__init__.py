"""The lesson *perturbing the input*: its exercises."""
