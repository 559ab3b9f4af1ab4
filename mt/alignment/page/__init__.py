"""The alignment page: one HTML file to look into attention with."""
