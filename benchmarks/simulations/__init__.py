"""Sections of `benchmarks/coverage.py`, a module a topic; each has SECTIONS, functions of (trials, seed) by name."""
