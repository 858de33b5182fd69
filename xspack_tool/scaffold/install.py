"""Where the xspack that runs was installed from, so that a CI system can install the same."""

from __future__ import annotations

import json
import shlex
from importlib.metadata import PackageNotFoundError, distribution
from urllib.parse import unquote, urlsplit


def installed_from() -> str:
    """What pip installs to have this xspack: a release of an index, the commit of a repository, a URL; or, where it
    came from a folder or a file of this machine, the wheel that is to lie in the tree."""
    version, url, commit = _record()
    if not url:
        return f"xspack=={version}"
    if url.startswith("file:"):
        return f"tools/xspack-{version}-py3-none-any.whl"
    return f"xspack @ git+{url}@{commit}" if commit else f"xspack @ {url}"


def origin() -> str:
    """The folder or file of this machine that xspack was installed from, for a shell."""
    return shlex.quote(unquote(urlsplit(_record()[1]).path))


def _record() -> tuple[str, str, str]:
    """Version, URL and commit, as pip and uv note them (PEP 610); both are empty for a release of an index."""
    try:
        installed = distribution("xspack")
    except PackageNotFoundError:
        return "", "", ""
    record = json.loads(installed.read_text("direct_url.json") or "{}")
    return installed.version, record.get("url", ""), record.get("vcs_info", {}).get("commit_id", "")
