"""A finished study as one HTML page that explains itself."""

from reprq.report.page import render_page, write_report

__all__ = ["render_page", "write_report"]
