"""The families of rules, a file each; every module here is loaded with the first use of the rules."""
