#!/usr/bin/env bash
# Checks the dependency tree (bans, licences, sources) and writes the SBOM in CycloneDX form to
# target/sbom/. The two tools are built once into .servers/tools.
set -euo pipefail
cd "$(dirname "$0")/.."
tools=.servers/tools
need() { # name version
    if ! grep -qF "\"$1 $2 " "$tools/.crates.toml" 2>/dev/null; then
        echo "dependencies: building $1 $2 (once, some minutes)" >&2
        cargo install --quiet --locked --root "$tools" --version "$2" "$1"
    fi
}
need cargo-deny 0.20.2
need cargo-cyclonedx 0.5.9

"$tools/bin/cargo-deny" --log-level error check --hide-inclusion-graph bans licenses sources

rm -rf target/sbom && mkdir -p target/sbom
"$tools/bin/cargo-cyclonedx" cyclonedx --quiet --format json --describe binaries --all
find . -path ./target -prune -o -path ./.servers -prune -o -name '*.cdx.json' -print0 |
    xargs -0 -I{} mv {} target/sbom/
count=$(find target/sbom -name '*.cdx.json' | wc -l)
[ "$count" -gt 0 ] || { echo 'dependencies: no SBOM was written' >&2; exit 1; }
echo "dependencies: bans, licences and sources hold; $count SBOM files in target/sbom"
