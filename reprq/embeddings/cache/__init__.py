"""Embeddings on disk: the cache of one network on one data set, how it is filled, and the catalog of all caches."""
