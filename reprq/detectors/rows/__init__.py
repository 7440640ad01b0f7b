"""Detectors of rows: fitted on an (n, d) array, and free of torch."""
