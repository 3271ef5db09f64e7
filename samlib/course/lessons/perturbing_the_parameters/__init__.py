"""The lesson *perturbing the parameters*: its exercises."""
