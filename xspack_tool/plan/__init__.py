"""The only code that makes SCons nodes."""
