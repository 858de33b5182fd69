"""The yum repository of a pack."""
