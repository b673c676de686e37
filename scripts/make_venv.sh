#!/bin/sh
# Create a virtual environment with the newest Python on PATH that really runs.
# Usage: sh scripts/make_venv.sh DIRECTORY     (PYTHON=/path/to/python overrides the search)
set -eu

venv=$1
names=${PYTHON:-python3.13 python3.12 python3.11 python3}

say() { echo "setup: $*" >&2; }

is_recent() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }

# A name may stand on PATH more than once, and the first may be a shim that only complains.
find_python() {
    for name in $names; do
        case $name in
            */*) if is_recent "$name"; then echo "$name"; return 0; fi ;;
            *) find_on_path "$name" && return 0 ;;
        esac
    done
    return 1
}

find_on_path() (
    IFS=:
    for directory in $PATH; do
        if [ -x "$directory/$1" ] && is_recent "$directory/$1"; then
            echo "$directory/$1"
            return 0
        fi
    done
    return 1
)

refuse_old_python() {
    say "tsvec needs Python 3.11 or newer and found none among: $names"
    say "on Debian 12, Ubuntu 24.04 or newer, run:  sudo apt-get install python3 python3-venv"
    say "on Ubuntu 22.04, run:  sudo apt-get install python3.11 python3.11-venv"
    say "or name one yourself:  make setup PYTHON=/path/to/python3.11"
    exit 1
}

has_venv() { "$python" -c 'import ensurepip, venv' >/dev/null 2>&1; }

# Debian and Ubuntu ship ensurepip, without which venv fails, in a package of its own.
install_venv_module() {
    package="$("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')"
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        say "$python has no ensurepip; as root, running: apt-get install -y $package"
        { apt-get update && apt-get install -y --no-install-recommends "$package"; } >&2 || true
    fi
}

if [ -x "$venv/bin/python" ] && "$venv/bin/python" -m pip --version >/dev/null 2>&1 &&
    is_recent "$venv/bin/python"; then
    exit 0
fi
python=$(find_python) || refuse_old_python
has_venv || install_venv_module
if has_venv; then
    "$python" -m venv --clear "$venv"
elif "$python" -m virtualenv --version >/dev/null 2>&1; then
    "$python" -m virtualenv --clear --quiet "$venv"
else
    say "$python cannot create virtual environments: its ensurepip module is missing"
    say "run:  sudo apt-get install $package    and then make setup again"
    exit 1
fi
say "$venv made with $("$python" --version) ($python)"
