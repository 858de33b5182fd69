"""What each host demands of a finished pack."""
