#!/bin/sh
# Compares `storagectl embed-images` with the shell loop of image builds around `skopeo copy`,
# at a registry on a loopback interface of 50 MB/s: seconds, and bytes that came over it. Makes
# the images once, about 120 MiB in the user's cache. Says what was expected and what was missed;
# fails only if something does not run. Arguments are embed-images.py's: --rounds N, --json FILE,
# --images DIR.
set -eu
if [ "$(id -u)" != 0 ]; then
    echo "error: the benchmark of embed-images needs root, for a network of its own" >&2
    echo >&2
    echo "hint: run it with sudo" >&2
    exit 1
fi
exec unshare -n python3 "$(dirname "$0")/embed-images.py" "$@"
