"""Entries of a cache that others can write to: signed, and taken only when the signature holds."""
