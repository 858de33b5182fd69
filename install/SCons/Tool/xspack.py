"""The SCons tool ``xspack``, where SCons itself looks for tools; see xspack_tool."""

from xspack_tool import exists, generate

__all__ = ["exists", "generate"]
