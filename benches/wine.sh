#!/bin/bash
# Runs the same verification natively and as a Windows program under wine, and prints the seconds
# and their ratio for a tenth, a half and all of a tree. This shows whether the time grows faster
# than the work. Wine is not Windows: the ratio itself says nothing about Windows.
#
#     BACKUP=folder SOURCE=folder benches/wine.sh
set -euo pipefail
# What a run remembers is measured by ledger.sh alone.
export BKVERIFY_STATE_DIR=none
cd "$(dirname "$0")/.."
: "${BACKUP:?the backup, a folder}" "${SOURCE:?its originals, a folder}"
SCRATCH=${SCRATCH:-$(mktemp -d)}

.ci/setup gcc libc6-dev bc
cargo build --release --locked
.ci/windows-setup
.ci/windows-cargo build --release --locked
. .ci/windows-env
exe=$(ls -t target/windows*/"$target"/release/bkverify.exe | head -1)

# The seconds of one run. Wine shows this system's root as drive Z:.
seconds() {
    local begin end
    begin=$(date +%s.%N)
    "$@" --cache use --quiet --seed wine
    end=$(date +%s.%N)
    echo "$end - $begin" | bc
}

echo "| sample | native, s | under wine, s | ratio |"
echo "|---|---:|---:|---:|"
for sample in 10% 50% all; do
    native=$(seconds target/release/bkverify --sample "$sample" --backup "$BACKUP" --source "$SOURCE" --restore-to "$SCRATCH")
    windows=$(seconds "$wine" "$exe" --sample "$sample" --backup "Z:$BACKUP" --source "Z:$SOURCE" --restore-to "Z:$SCRATCH")
    echo "| $sample | $native | $windows | $(echo "scale=1; $windows / $native" | bc) |"
done
