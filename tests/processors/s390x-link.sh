#!/bin/sh
# Links what qemu runs for s390x: its fstat gives whole seconds, where the kernel's gives
# nanoseconds, as its fstatat does. So the one is made of the other.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cat >"$dir/fstat.c" <<'C'
#include <fcntl.h>
#include <sys/stat.h>
int fstat(int file, struct stat *found) { return fstatat(file, "", found, AT_EMPTY_PATH); }
int fstat64(int file, struct stat64 *found) { return fstatat64(file, "", found, AT_EMPTY_PATH); }
C
s390x-linux-gnu-gcc -O1 -D_GNU_SOURCE -D_LARGEFILE64_SOURCE -c -o "$dir/fstat.o" "$dir/fstat.c"
s390x-linux-gnu-gcc "$dir/fstat.o" "$@"
