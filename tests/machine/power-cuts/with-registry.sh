#!/bin/sh
# record.py, with a registry beside it.
set -eu
here=$(dirname "$0")
"$here/registry.sh"
exec "$here/record.py" "$@"
