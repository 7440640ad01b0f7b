"""Images: what folders and files hold, decoded to 8-bit RGB."""
