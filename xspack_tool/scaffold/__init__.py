"""A first pack: the files that `xspack new` writes, and what `xspack bump` changes in them."""
