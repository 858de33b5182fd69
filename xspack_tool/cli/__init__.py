"""The xspack command."""
