"""Where networks come from: one module a library, and one for networks of one's own."""
