#!/bin/sh
# Runs each fuzz target for a few seconds (10, or as the argument says), beginning from the
# committed corpus. What it needs is not part of a plain Rust installation, so without it this is
# skipped and says so; `cargo test` replays the corpus in any case.
set -eu
cd "$(dirname "$0")/.."
seconds=${1:-10}

skip() {
    echo "skipped: fuzz smoke: $1" | tee -a "${HTTPOLL_SKIPS:-/dev/null}"
    exit 0
}
command -v rustup >/dev/null 2>&1 || skip "no rustup"
rustup toolchain list | grep -q '^nightly' || skip "no nightly toolchain"
cargo +nightly fuzz --version >/dev/null 2>&1 || skip "no cargo-fuzz (cargo install cargo-fuzz)"
command -v c++ >/dev/null 2>&1 || skip "no C++ compiler for libFuzzer"

# All of src is safe code but for two readiness backends, so a sanitizer would only cost speed.
cargo +nightly fuzz build --sanitizer none 2>&1 | tail -n 1
# A line of the corpus is a name and the bytes as printf(1) reads them; libFuzzer wants a file each.
unpack() {
    mkdir -p "fuzz/corpus-new/$1-kept"
    grep -v '^#' "fuzz/corpus/$1.txt" | while IFS= read -r line; do
        printf '%b' "${line#* }" >"fuzz/corpus-new/$1-kept/${line%% *}"
    done
}

for target in head chunked target fields form conversation; do
    mkdir -p "fuzz/corpus-new/$target"
    unpack "$target"
    log="fuzz/corpus-new/$target.log"
    if ! cargo +nightly fuzz run --sanitizer none "$target" \
        "fuzz/corpus-new/$target" "fuzz/corpus-new/$target-kept" -- \
        -dict="fuzz/dict/$target.dict" -max_len=1500 -timeout=30 \
        -max_total_time="$seconds" >"$log" 2>&1; then
        tail -n 60 "$log"
        echo "fuzz smoke: $target FAILED; its input is in fuzz/artifacts/$target. Keep it as a line of"
        echo "fuzz/corpus/$target.txt: a name and what \`od -An -v -to1 -w1 FILE | tr -d '\\n' | sed 's/ /\\\\0/g'\` prints."
        exit 1
    fi
    echo "fuzz smoke: $target, $(grep -o 'Done .*' "$log")"
done
