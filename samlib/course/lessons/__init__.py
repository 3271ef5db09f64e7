"""One room for each lesson, under its notebook's name without the number."""
