"""Real transactions with a pack, in a chroot that is removed afterwards."""
