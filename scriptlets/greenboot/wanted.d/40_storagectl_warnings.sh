#!/bin/sh
# Fails if anything is wrong with image stores, or might be: warnings, damaged stores and with them
# images at risk, and what cannot be looked at.
status=0
report=$(/usr/bin/storagectl doctor --strict 2>&1) || status=$?
[ "$status" -eq 0 ] || printf '%s\n' "$report"
exit "$status"
