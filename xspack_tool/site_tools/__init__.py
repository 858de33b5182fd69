"""A toolpath for SCons: the folder that holds the tool ``xspack``."""
