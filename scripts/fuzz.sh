#!/usr/bin/env bash
# Feeds every decoder and whole connections with bytes that nobody would send: scripts/fuzz.sh [SECONDS [TARGET..]]
# Each target runs for SECONDS (60). What it finds to be new stays in fuzz/target/found; what breaks a law is kept in
# fuzz/artifacts, and the script fails. Needs a nightly toolchain and cargo-fuzz.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

fail() { printf 'fuzz.sh: %s\n' "$*" >&2; exit 1; }

# Longest time for one input, and most memory, before it counts as a finding.
input_seconds=20
memory_mb=2048
# Panics, overflows, hangs and memory are looked for; address sanitizer would find what only unsafe code can do wrong, of
# which there is none here, and makes whole connections thirty times as slow.
sanitizer=none
# A target that does not end by itself is ended after this much more than its time.
grace_seconds=60

seconds=${1:-60}
[ $# -eq 0 ] || shift
[[ $seconds =~ ^[1-9][0-9]*$ ]] || fail "expected a number of seconds and not \`$seconds\`"
command -v cargo >/dev/null || fail "cargo is missing; install Rust by https://rustup.rs"
cargo +nightly --version >/dev/null 2>&1 ||
    fail "the nightly toolchain is missing; install it by: rustup toolchain install nightly --profile minimal"
cargo +nightly fuzz --version >/dev/null 2>&1 ||
    fail "cargo-fuzz is missing; install it by: cargo install --locked cargo-fuzz"

all=$(cargo +nightly fuzz list)
targets=${*:-$all}
for target in $targets; do
    grep -qx "$target" <<<"$all" || fail "there is no target $target; there are: $(tr '\n' ' ' <<<"$all")"
done

# Built once; what is run is what was built, whatever happens to the sources meanwhile.
cargo +nightly fuzz build --sanitizer "$sanitizer" --target-dir fuzz/target
host=$(rustc +nightly -vV | sed -n 's/^host: //p')

log=$(mktemp)
trap 'rm -f "$log"' EXIT

# Runs a target once for its whole time; says in $code how it ended, and in $log what it said.
run() {
    local program="fuzz/target/$host/release/$1" artifacts="fuzz/artifacts/$1/"
    code=0
    timeout --kill-after=10 $((seconds + grace_seconds)) "$program" "fuzz/target/found/$1" "fuzz/corpus/$1" \
        -artifact_prefix="$artifacts" -max_total_time="$seconds" -timeout="$input_seconds" \
        -rss_limit_mb="$memory_mb" -print_final_stats=1 >"$log" 2>&1 </dev/null || code=$?
    # A machine that was asleep meanwhile looks like an input that hangs: what does not hang alone is no finding.
    local slow
    slow=$(sed -n "s#.*Test unit written to \($artifacts\(timeout\|slow-unit\)-.*\)#\1#p" "$log" | tail -n 1)
    if [ -n "$slow" ] && timeout "$input_seconds" "$program" "$slow" >/dev/null 2>&1; then
        rm -f "$slow"
        [ "$code" -eq 0 ] || code=asleep
    fi
}

failed=""
for target in $targets; do
    mkdir -p "fuzz/target/found/$target" "fuzz/corpus/$target" "fuzz/artifacts/$target"
    for _ in 1 2 3; do
        run "$target"
        [ "$code" = asleep ] || break
    done
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    rate=$(sed -n 's/^stat::average_exec_per_sec: *//p' "$log")
    if [ "$code" = 0 ]; then
        printf 'ok      %-18s %10s runs, %6s a second\n' "$target" "${runs:-?}" "${rate:-?}"
    else
        tail -n 60 "$log"
        printf 'FAILED  %-18s %10s runs (exit code %s)\n' "$target" "${runs:-?}" "$code"
        failed+=" $target"
    fi
done
[ -z "$failed" ] || fail "laws were broken by:$failed; the inputs are in fuzz/artifacts"
