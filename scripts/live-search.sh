#!/usr/bin/env bash
# Runs the search tests on real engines, as far as they are installed, and writes what ran to
# tests/results/live-search.json. With --check: whether that file is older than an adapter. A file
# that is missing, too old or without an engine is told, and fails nothing: not every machine has them.
set -euo pipefail
cd "$(dirname "$0")/.."
results=tests/results/live-search.json
adapters=(projections/src/search/outside projections/src/search/outside_search.rs)

if [ "${1:-}" = --check ]; then
    [ -f "$results" ] || { echo "live search: no run on real engines is recorded ($results)"; exit 0; }
    python3 - "$results" "${adapters[@]}" <<'PY'
import json, subprocess, sys

results, *adapters = sys.argv[1:]
told = json.load(open(results))
git = lambda *words: subprocess.run(["git", *words], capture_output=True, text=True)
changed = git("log", "-1", "--format=%H", "--", *adapters).stdout.strip()
newer = git("merge-base", "--is-ancestor", changed, told["commit"]).returncode != 0
dirty = git("status", "--porcelain", "--", *adapters).stdout.strip()
for engine in ("typesense", "meilisearch"):
    ran = told["engines"].get(engine)
    if ran is None:
        print(f"live search: {engine} has not run")
    else:
        print(f"live search: {engine} {ran['version']}, {len(ran['checks'])} checks at {told['commit'][:10]}")
if newer or dirty:
    print("live search: an adapter has changed since; run scripts/live-search.sh")
PY
    exit 0
fi

[ -z "$(git status --porcelain -- "${adapters[@]}")" ] || { echo 'commit the adapters first' >&2; exit 2; }
LIVE_SEARCH_NOTES=$(mktemp -d)
export LIVE_SEARCH_NOTES
trap 'rm -rf "$LIVE_SEARCH_NOTES"' EXIT
cargo build -p api -p replay --bins --features kernel/crash-points
cargo test -p tests --test it --features kernel/crash-points search::live -- --nocapture --test-threads 2
python3 - "$results" <<'PY'
import glob, json, os, subprocess, sys

engines = {}
for path in sorted(glob.glob(os.environ["LIVE_SEARCH_NOTES"] + "/*.json")):
    note = json.load(open(path))
    engine = engines.setdefault(note["engine"], {"version": note["version"], "checks": {}})
    engine["checks"][note["what"]] = note["value"]
if not engines:
    sys.exit("no engine is installed: nothing was written")
commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
with open(sys.argv[1], "w") as file:
    json.dump({"commit": commit, "engines": engines}, file, indent=2, sort_keys=True)
    file.write("\n")
print(open(sys.argv[1]).read())
PY
