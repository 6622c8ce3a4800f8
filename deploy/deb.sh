#!/usr/bin/env bash
# Builds target/package/httpoll_VERSION_ARCH.deb: one static binary, its manual page, completions for
# three shells, and the units of this directory, neither enabled nor started.
#
# Needs cargo-deb (cargo install --locked cargo-deb) and the target (rustup target add TARGET).
set -euo pipefail
cd "$(dirname "$0")/.."

target=${TARGET:-$(uname -m)-unknown-linux-musl}
made=target/package/files # what [package.metadata.deb] takes from there

cargo build --locked --release --target "$target" --bin httpoll
program=target/$target/release/httpoll

rm -rf "$made"
mkdir -p "$made/units"
"$program" --man >"$made/httpoll.1"
for shell in bash zsh fish; do
    "$program" --completions "$shell" >"$made/httpoll.$shell"
done
for unit in httpoll.service httpoll.socket; do
    sed 's|/usr/local/bin/|/usr/bin/|' "deploy/$unit" >"$made/units/$unit"
done

# Stripped, it has 4 MB and not 21: the rest is for debuggers.
cargo deb --locked --no-build --strip --target "$target" --output target/package/ "$@"
