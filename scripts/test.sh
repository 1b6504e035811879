#!/usr/bin/env bash
# Runs every test, and first sees to what they need: a Rust toolchain (rust-toolchain.toml names it) and Python 3.
set -euo pipefail
cd "$(dirname "$0")/.."

if ! command -v cargo >/dev/null; then
    echo "cargo is missing: install Rust with rustup, https://rustup.rs" >&2
    exit 1
fi

# The Python client of the protocol is tested against a Rust server.
if ! command -v python3 >/dev/null; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        apt-get update -q && apt-get install -qy --no-install-recommends python3
    else
        echo "python3 is missing: install it with your system's packages (3.9 or newer, nothing else)" >&2
        exit 1
    fi
fi

cargo test --workspace --all-features --no-fail-fast
cargo build --package examples --example rates_server
target=$(cargo metadata --format-version 1 --no-deps | python3 -c 'import json, sys; print(json.load(sys.stdin)["target_directory"])')
RATES_SERVER="$target/debug/examples/rates_server" python3 -m unittest discover --start-directory examples/python --verbose
