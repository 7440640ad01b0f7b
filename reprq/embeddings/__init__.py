"""Embeddings: the one object that flows, its cache on disk, and the forward pass that fills it."""

from reprq.embeddings.cache.cache import EmbeddingCache, cached_name, default_cache_dir
from reprq.embeddings.cache.catalogue import find_cache, list_caches, remove_cache
from reprq.embeddings.cache.export import export
from reprq.embeddings.cache.verification import verify_cache
from reprq.embeddings.embeddings import Embeddings
from reprq.embeddings.extraction import extract
from reprq.embeddings.files import load_embeddings

__all__ = [
    "EmbeddingCache",
    "Embeddings",
    "cached_name",
    "default_cache_dir",
    "export",
    "extract",
    "find_cache",
    "list_caches",
    "load_embeddings",
    "remove_cache",
    "verify_cache",
]
