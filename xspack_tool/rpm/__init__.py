"""RPMs: spec text from a declaration, writing with rpmbuild, reading with rpmfile."""
