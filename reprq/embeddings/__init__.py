"""Embeddings: the one object that flows, its cache on disk, and the forward pass that fills it."""

from typing import TYPE_CHECKING

from reprq.embeddings.registry import POOLINGS
from reprq.lazy import from_modules

if TYPE_CHECKING:
    from reprq.embeddings.cache.cache import EmbeddingCache, cached_name, default_cache_dir
    from reprq.embeddings.cache.catalogue import find_cache, list_caches, remove_cache
    from reprq.embeddings.cache.export import export
    from reprq.embeddings.cache.verification import verify_cache
    from reprq.embeddings.embeddings import Embeddings
    from reprq.embeddings.extraction import extract
    from reprq.embeddings.files import load_embeddings

_MODULES = {
    "EmbeddingCache": "reprq.embeddings.cache.cache",
    "cached_name": "reprq.embeddings.cache.cache",
    "default_cache_dir": "reprq.embeddings.cache.cache",
    "find_cache": "reprq.embeddings.cache.catalogue",
    "list_caches": "reprq.embeddings.cache.catalogue",
    "remove_cache": "reprq.embeddings.cache.catalogue",
    "export": "reprq.embeddings.cache.export",
    "verify_cache": "reprq.embeddings.cache.verification",
    "Embeddings": "reprq.embeddings.embeddings",
    "extract": "reprq.embeddings.extraction",
    "load_embeddings": "reprq.embeddings.files",
}

__all__ = [
    "POOLINGS",
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

__getattr__ = from_modules(__name__, _MODULES)
