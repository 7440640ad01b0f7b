"""A finished study as one HTML page that explains itself."""
