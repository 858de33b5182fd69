"""dom0 releases as data."""
