"""The SCons tool ``xspack`` for toolpath=[PyPackageDir("xspack_tool.site_tools")]; see xspack_tool."""

from xspack_tool import exists, generate

__all__ = ["exists", "generate"]
