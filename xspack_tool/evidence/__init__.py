"""What a release manager shows of a pack: its SBOM, its provenance, its report page."""
