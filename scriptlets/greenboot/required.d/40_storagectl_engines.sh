#!/bin/sh
# Fails if the configuration of storage, or a store, stops a container engine: the system is worse
# than the one before. What cannot be looked at is no reason to go back to that one.
status=0
report=$(/usr/bin/storagectl doctor --stopped-only 2>&1) || status=$?
[ "$status" -eq 0 ] || printf '%s\n' "$report"
[ "$status" -ne 1 ]
