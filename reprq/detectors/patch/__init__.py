"""Detectors of patches: every position of a network's feature maps is compared with those of benign images."""
