"""The yum repository of a pack."""

#: What names its other files.
REPOMD = "repodata/repomd.xml"
