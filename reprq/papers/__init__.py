"""Papers regenerated: one module a paper with its protocol, presets, published values, tables and figures."""

from reprq.papers.registry import REPRODUCTIONS, Reproduction, names, reproduce

__all__ = ["REPRODUCTIONS", "Reproduction", "names", "reproduce"]
