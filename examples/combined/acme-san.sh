#!/bin/sh
# Shows the settings of the SAN cards.
grep -v "^#" /etc/acme-san.conf
