"""The course: what only the lessons use. Nothing of the package outside this folder imports it."""
