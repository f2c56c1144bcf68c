#!/usr/bin/env bash
# Compares `bkverify manifest` with what people use instead, and measures how a large manifest is read.
#
#   benches/manifest.sh                the kernel source, and a manifest of 10 million lines
#   LINES=1000000 benches/manifest.sh  the same with fewer lines
#
# Variables and their defaults:
#   DATA        target/peers        where the data is made and left (see data.sh)
#   LINES       10000000            lines of the large manifest; it takes 100 bytes for each, its index twice 48
#   ROUNDS      5                   runs of each program, taking turns; medians are printed
#   BKVERIFY    the release build   the program to measure
#
# Needs: cargo, b3sum, find, xargs, GNU time, awk; perl and apt for the data.
set -euo pipefail
export LC_ALL=C BKVERIFY_STATE_DIR=none
here=$(cd "$(dirname "$0")" && pwd)
. "$here/data.sh"

DATA=${DATA:-$here/../target/peers} LINES=${LINES:-10000000} ROUNDS=${ROUNDS:-5}
mkdir -p "$DATA"
DATA=$(cd "$DATA" && pwd)
if [ -z "${BKVERIFY:-}" ]; then
    (cd "$here/.." && cargo build --locked --release)
    BKVERIFY=$here/../target/release/bkverify
fi
[ -n "${SMALL:-}" ] || make_small

work=$(mktemp -d -p "$DATA")
trap 'rm -rf "$work"' EXIT

ours() { "$BKVERIFY" manifest --quiet --source "$SMALL" --output "$work/ours.b3"; }
theirs() { find "$SMALL" -type f -print0 | xargs -0 -P2 -n 1000 b3sum > "$work/theirs.b3"; }
seconds() {
    local start=${EPOCHREALTIME/./} end
    "$1"
    end=${EPOCHREALTIME/./}
    echo $((end - start))
}
median() { sort -n | awk '{ all[NR] = $1 } END { print all[int((NR + 1) / 2)] }'; }

# The first round of each warms the cache.
ours; theirs
[ "$(sort "$work/ours.b3" | b3sum)" = "$(sort "$work/theirs.b3" | b3sum)" ] || { echo "the lines differ" >&2; exit 1; }
for _ in $(seq "$ROUNDS"); do
    seconds ours >> "$work/ours"
    seconds theirs >> "$work/theirs"
done
awk -v ours="$(median < "$work/ours")" -v theirs="$(median < "$work/theirs")" 'BEGIN {
    printf "manifest of the kernel source: %.2f s; find | xargs -P2 b3sum: %.2f s; ratio %.2f\n", ours / 1e6, theirs / 1e6, ours / theirs }'

# One file is in the backup, so that all other time is that of the manifest.
mkdir -p "$work/original" "$work/backup" "$work/restore"
echo content > "$work/original/one"
cp -p "$work/original/one" "$work/backup/one"
(cd "$work/original" && b3sum one) > "$work/large.b3"
awk -v lines="$LINES" 'BEGIN { for (i = 1; i < lines; i++) printf "%064x  folder/%d/file-%d.txt\n", i * 7919, i % 1000, i }' >> "$work/large.b3"
/usr/bin/time -f "a manifest of $LINES lines: %e s, %M KiB" "$BKVERIFY" --backup "$work/backup" --source "$work/original" \
    --restore-to "$work/restore" --manifest "$work/large.b3" --quiet
