"""What braid_export.py is made of: trace, layers, structure, text and files."""
