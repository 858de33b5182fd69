"""The pack: update document, generated RPMs, ISO."""
