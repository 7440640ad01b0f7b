"""Detectors that are trained on samples."""
