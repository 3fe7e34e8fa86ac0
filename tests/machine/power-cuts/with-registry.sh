#!/bin/sh
# record.sh, with a registry beside it.
set -eu
here=$(dirname "$0")
"$here/registry.sh"
exec "$here/record.sh" "$@"
