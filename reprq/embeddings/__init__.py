"""Embeddings: the one object that flows, its cache on disk, and the forward pass that fills it."""

from reprq.embeddings.cache import EmbeddingCache, cached_name, default_cache_dir
from reprq.embeddings.embeddings import Embeddings
from reprq.embeddings.extraction import extract
from reprq.embeddings.files import load_embeddings

__all__ = ["EmbeddingCache", "Embeddings", "cached_name", "default_cache_dir", "extract", "load_embeddings"]
