"""The rules of the vendor guide and of the hosts, as checks on what was built."""
