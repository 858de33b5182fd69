"""Where kernel modules are compiled."""
