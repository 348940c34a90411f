# shellcheck shell=bash
# Sourced by ci/quickstart and ci/test: what has to be there before anything can be built.
#
# First `want_…` functions find out what is missing, then `announce` says it, then `install_wanted` installs it. What is there
# already is left alone, so a second call does nothing.

RUST_AT_LEAST=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)

WANTED_PACKAGES=()   # Debian packages
WANTED_RUSTUP=no     # rustup with the toolchain of rust-toolchain.toml
WANTED_REASONS=()    # why, a line each

if [ -t 2 ]; then BOLD=$'\e[1m' PLAIN=$'\e[0m'; else BOLD='' PLAIN=''; fi

say() { printf '%s\n' "$*" >&2; }
title() { printf '\n%s== %s ==%s\n' "$BOLD" "$*" "$PLAIN" >&2; }

# Exit code 3: the surroundings are wrong, nothing was tested.
broken() {
    say "broken: $*"
    exit 3
}

has() { command -v "$1" >/dev/null 2>&1; }

# at_least 1.95 1.101.2: is the second version no older than the first?
at_least() { [ "$(printf '%s\n%s\n' "$1" "$2" | sort -V | head -n 1)" = "$1" ]; }

# Where rustup puts things, also if the shell has not been told yet.
PATH="$PATH:${CARGO_HOME:-${HOME:-/root}/.cargo}/bin"

want_package() { # name reason
    WANTED_PACKAGES+=("$1")
    WANTED_REASONS+=("Debian's $1: $2")
}

want_c_compiler() {
    if ! has cc; then
        want_package gcc "to compile SQLite, and to link"
        want_package libc6-dev "headers and libraries for it"
    fi
}

want_rust() {
    local version=''
    if has rustup; then return; fi # rust-toolchain.toml does the rest
    if has cargo; then version=$(cargo --version 2>/dev/null | cut -d ' ' -f 2); fi
    if [ -n "$version" ] && at_least "$RUST_AT_LEAST" "$version"; then return; fi
    WANTED_RUSTUP=yes
    WANTED_REASONS+=("rustup with the stable toolchain, in your home: ${version:+cargo $version is here, }Rust $RUST_AT_LEAST or later is needed")
    if ! has curl; then
        want_package curl "to fetch rustup"
        want_package ca-certificates "to know it is rustup"
    fi
}

want_python() {
    if ! has python3; then want_package python3 "for referees that are written in it"; fi
    if ! python3 -c 'import ensurepip, venv' 2>/dev/null; then want_package python3-venv "to give them a folder of their own"; fi
    if ! has_python_tools; then
        WANTED_REASONS+=("from PyPI, into a folder below target/: $(sed '/^#/d' ci/requirements.txt | tr '\n' ' ')")
    fi
}

# The tools of ci/requirements.txt, in a folder of their own that says which they are.
PYTHON_FOLDER=${CARGO_TARGET_DIR:-target}/ci/python
PYTHON=$PYTHON_FOLDER/bin/python

has_python_tools() { cmp -s ci/requirements.txt "$PYTHON_FOLDER/requirements.txt"; }

python_tools() { # install?
    if has_python_tools; then return; fi
    [ "$1" = yes ] || return 1
    rm -rf "$PYTHON_FOLDER"
    python3 -m venv "$PYTHON_FOLDER" &&
        "$PYTHON" -m pip install --quiet --disable-pip-version-check --requirement ci/requirements.txt &&
        cp ci/requirements.txt "$PYTHON_FOLDER/requirements.txt"
}

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo -- "$@"; fi
}

can_be_root() { [ "$(id -u)" = 0 ] || has sudo; }

announce() {
    if [ ${#WANTED_REASONS[@]} -eq 0 ]; then
        say "Nothing has to be installed."
        return
    fi
    say "To be installed${1:+ ($1)}:"
    printf '  - %s\n' "${WANTED_REASONS[@]}" >&2
    if [ ${#WANTED_PACKAGES[@]} -gt 0 ] && [ "$(id -u)" != 0 ]; then say "The Debian packages are installed by sudo."; fi
}

# Debian starts the services of packages it installs. These are wanted for their programs only.
POLICY=/usr/sbin/policy-rc.d
POLICY_IS_OURS=no

no_services() {
    if [ ! -e "$POLICY" ]; then
        POLICY_IS_OURS=yes
        printf '#!/bin/sh\nexit 101\n' | as_root tee "$POLICY" >/dev/null
        as_root chmod 755 "$POLICY"
    fi
}

services_again() {
    if [ "$POLICY_IS_OURS" = yes ]; then
        as_root rm -f "$POLICY"
        POLICY_IS_OURS=no
    fi
}

install_packages() { # names…
    has apt-get || broken "apt-get is not here; please install: $*"
    can_be_root || broken "neither root nor sudo, so call it with --no-install, or install: $*"
    no_services
    local failed=no
    {
        as_root env DEBIAN_FRONTEND=noninteractive apt-get update -qq &&
            as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@"
    } >&2 || failed=yes
    services_again
    [ "$failed" = no ]
}

install_wanted() {
    if [ ${#WANTED_PACKAGES[@]} -gt 0 ]; then
        install_packages "${WANTED_PACKAGES[@]}" || broken "apt-get could not install: ${WANTED_PACKAGES[*]}"
    fi
    if [ "$WANTED_RUSTUP" = yes ]; then
        curl --proto '=https' --tlsv1.2 --silent --show-error --fail https://static.rust-lang.org/rustup/rustup-init.sh |
            sh -s -- -y --no-modify-path --profile minimal --default-toolchain none >&2 ||
            broken "rustup could not be installed"
        # A cargo that is too old may stand in front of rustup's.
        PATH="${CARGO_HOME:-${HOME:-/root}/.cargo}/bin:$PATH"
    fi
    if has rustup; then
        rustup show active-toolchain >/dev/null 2>&1 || rustup toolchain install >&2 ||
            broken "rustup could not install the toolchain of rust-toolchain.toml"
    fi
    has cargo || broken "there is no cargo; see https://rustup.rs"
    local version
    version=$(cargo --version | cut -d ' ' -f 2)
    at_least "$RUST_AT_LEAST" "$version" ||
        broken "cargo $version is too old, $RUST_AT_LEAST or later is needed: rustup update stable"
    has cc || broken "there is no C compiler, and SQLite needs one"
}
