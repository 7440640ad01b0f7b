"""Weights: files read without running any code in them, and fitted to a network."""
