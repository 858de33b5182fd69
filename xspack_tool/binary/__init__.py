"""What compressed files, ELF files and kernel modules hold, read within bounds: they may come from anywhere."""
