#!/bin/bash
# Writes a #define for each function that the kernel's headers have.
set -eu
gen() {
    if grep -qw "$2" "$KSRC"/include/linux/"$3" "$(readlink -f "$KSRC"/source 2>/dev/null || echo "$KSRC")"/include/linux/"$3" 2>/dev/null; then
        echo "#define $1 1"
    fi
}
test -d "$KSRC"
{
    gen HAVE_KMALLOC kmalloc slab.h
    gen HAVE_NEVER acme_never slab.h
} > "$OUT"
