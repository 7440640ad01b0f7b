"""Papers regenerated: one module a paper with its protocol, presets, published values, tables and figures."""

from reprq.papers.registry import PAPERS, Reproduction, names, reproduce, reproductions

__all__ = ["PAPERS", "Reproduction", "names", "reproduce", "reproductions"]
