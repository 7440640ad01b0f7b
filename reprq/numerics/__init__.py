"""Functions of arrays that metrics and detectors share: moments, spectra, covariances, distances, neighbors."""
