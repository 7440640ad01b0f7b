"""How surely two columns of numbers go together, when points come in groups that are not independent."""
