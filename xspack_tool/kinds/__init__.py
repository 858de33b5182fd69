"""The declared targets: one file each."""
