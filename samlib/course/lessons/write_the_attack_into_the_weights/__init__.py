"""The lesson *write the attack into the weights*: its exercises."""
