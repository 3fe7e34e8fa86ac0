#!/bin/sh
# Compares one `storagectl add-store` with what people use instead. Says what was
# expected and what was missed; fails only if something does not run, since times
# on a shared machine prove nothing. Arguments are add-store.py's: --rounds N, --json FILE.
set -eu
if ! command -v python3 >/dev/null 2>&1; then
    echo "error: the benchmark needs python3" >&2
    echo >&2
    echo "hint: \`tests/requirements.sh bench\` installs it" >&2
    exit 1
fi
exec python3 "$(dirname "$0")/add-store.py" "$@"
