"""Other people's files: one module a format, each a function from a path to what is `Stored` there."""
