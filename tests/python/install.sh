#!/bin/sh
# Installs the programs of requirements.txt from the package index and prints the
# directory that has them. What was installed once is kept, outside the checkout: in
# $STORAGECTL_PYTHON, or in the user's cache.
set -eu

sources=$(cd "$(dirname "$0")" && pwd)
kept=${STORAGECTL_PYTHON:-${XDG_CACHE_HOME:-${HOME:?}/.cache}/storagectl/python-$(python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')}

made_from() {
    cat "$sources/install.sh" "$sources/requirements.txt" | sha256sum | cut -c 1-16
}

fresh() {
    [ "$(cat "$kept/made-from" 2>/dev/null)" = "$(made_from)" ] && "$kept/bin/ansible-playbook" --version >/dev/null 2>&1
}

mkdir -p "$(dirname "$kept")"
# One at a time: test processes that start together share what the first one installs.
exec 9>"$(dirname "$kept")/.python.lock"
flock 9
if ! fresh; then
    echo "installing $(tr '\n' ' ' <"$sources/requirements.txt")once; kept in $kept" >&2
    # Nothing that this script did not make is removed.
    [ ! -e "$kept" ] || [ -e "$kept/pyvenv.cfg" ] || { echo "error: \`$kept\` is something else" >&2; exit 1; }
    rm -rf "$kept"
    if ! { python3 -m venv "$kept" && "$kept/bin/pip" install --quiet --disable-pip-version-check \
        --requirement "$sources/requirements.txt"; } >&2; then
        rm -rf "$kept"
        echo "error: the tests need these from the Python package index: $(tr '\n' ' ' <"$sources/requirements.txt")" >&2
        echo >&2
        echo "hint: see to what pip says above; it needs Python 3.11 or newer with \`venv\`" >&2
        exit 1
    fi
    # Where ansible-test looks for the pip that it would fetch from a site of its own, to install what its
    # checks need. Python's own does that, too.
    mkdir -p "$kept/ansible-test/.ansible/test/cache"
    echo 'import runpy, sys; sys.argv = ["ensurepip", "--default-pip"]; runpy.run_module("ensurepip", run_name="__main__")' \
        >"$kept/ansible-test/.ansible/test/cache/get_pip_24_2.py"
    made_from >"$kept/made-from"
fi
echo "$kept/bin"
