#!/usr/bin/env bash
# Runs every test: those in Rust, those in the documentation, and the client in Python against a server in Rust.
# Needs a Rust toolchain (rustup takes the one in rust-toolchain.toml) and Python 3.9 or newer.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

fail() { printf 'test.sh: %s\n' "$*" >&2; exit 1; }

command -v cargo >/dev/null || fail "cargo is missing; install Rust by https://rustup.rs"
python=${PYTHON:-python3}
command -v "$python" >/dev/null ||
    fail "$python is missing; install Python 3.9 or newer (Debian: apt-get install python3), or name one by PYTHON=.."
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 9))' ||
    fail "$("$python" --version) is too old; 3.9 or newer is needed; name another by PYTHON=.."

# The only step that needs a network.
cargo fetch --locked

# Without the benchmarks, which bring the rivals they compare with: CI runs those.
cargo test --locked --offline --workspace --exclude benches --all-features --lib --bins --tests
cargo test --locked --offline --workspace --exclude benches --all-features --doc

cargo build --locked --offline -p examples --all-features --example rates_server
# Asks cargo where the program is rather than guess: target directories can be set in several ways.
target=$(cargo metadata --locked --offline --no-deps --format-version 1 |
    "$python" -c 'import json, sys; print(json.load(sys.stdin)["target_directory"])')
RATES_SERVER="$target/debug/examples/rates_server" "$python" examples/python/test_client.py
