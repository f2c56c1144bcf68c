#!/usr/bin/env bash
# Measures a verification of a borg repository beside borg itself and beside borgmatic's spot check,
# on the same repository with the same number of files.
#
#   BORGMATIC=venv/bin/borgmatic benches/borg.sh     as in src/manual/speed.md
#   TREE=/usr/share/doc FILES=100 benches/borg.sh    another tree, another sample
#
# Variables and their defaults:
#   DATA        target/peers       where the data and the repository are made and left
#   TREE        the kernel source  the originals; its repository is made once, by borgmatic
#   FILES=500   how many files are checked
#   ROUNDS=5    runs of each program, taking turns; the table shows medians
#   BORGMATIC   borgmatic          1.8.10 or newer (PyPI)
#   BKVERIFY    the release build  the program to measure
#   OUT         DATA/results       the table, every run (borg.tsv), and what was printed
#
# Each must end with success. Only bkverify restores and compares: borg restores without comparing,
# and the spot check compares hashes without restoring.
#
# Needs: borg, borgmatic, xxh64sum, GNU time. On Debian: apt-get install borgbackup xxhash time
set -euo pipefail
export LC_ALL=C.UTF-8 BKVERIFY_STATE_DIR=none
here=$(cd "$(dirname "$0")" && pwd)
. "$here/data.sh"
. "$here/table.sh"

DATA=${DATA:-$here/../target/peers} FILES=${FILES:-500} ROUNDS=${ROUNDS:-5}
BORGMATIC=$(command -v "${BORGMATIC:-borgmatic}")
mkdir -p "$DATA"
DATA=$(cd "$DATA" && pwd)
OUT=${OUT:-$DATA/results}
mkdir -p "$OUT"
if [ -z "${BKVERIFY:-}" ]; then
    cargo build --release --locked --manifest-path "$here/../Cargo.toml"
    BKVERIFY=$here/../target/release/bkverify
fi
BKVERIFY=$(realpath "$BKVERIFY")
if [ -z "${TREE:-}" ]; then
    make_small
    TREE=$SMALL
fi
TREE=$(realpath "$TREE")

# What borg and borgmatic remember is not that of the user.
export HOME=$DATA/borg-home BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK=yes
export XDG_CONFIG_HOME=$HOME/.config XDG_CACHE_HOME=$HOME/.cache XDG_STATE_HOME=$HOME/.local/state XDG_RUNTIME_DIR=$HOME/run
mkdir -p "$XDG_RUNTIME_DIR"
repository=$DATA/borg-$(printf %s "$TREE" | cksum | cut -d ' ' -f 1)
count=$(find "$TREE" -type f | wc -l)
scratch=$DATA/borg-scratch
mkdir -p "$scratch"
# borgmatic takes a share of the files, and rounds down to whole ones.
share=$(awk -v files="$FILES" -v count="$count" 'BEGIN { printf "%.6f", (files + 0.5) / count * 100 }')
cat >"$repository.new" <<END
source_directories: ["$TREE"]
repositories: [{path: "$repository"}]
archive_name_format: tree
unknown_unencrypted_repo_access_is_ok: true
checks:
    - name: spot
      count_tolerance_percentage: 10
      data_sample_percentage: $share
      data_tolerance_percentage: 0
END
# The spot check needs an archive that borgmatic has made, and compares its configuration, too.
if ! cmp -s "$repository.new" "$repository.yaml" || ! borg info "$repository::tree" >/dev/null 2>&1; then
    rm -rf "$repository"
    cp "$repository.new" "$repository.yaml"
    borg init --encryption none "$repository"
    "$BORGMATIC" --config "$repository.yaml" create
fi

bkverify() {
    "$BKVERIFY" --backup "$repository" --source "$TREE" --restore-to "$scratch" --sample "$FILES" --cache use
}
# Lists the archive, draws files, and restores them by one call.
list_and_extract() {
    cd "$scratch"
    rm -rf restored
    mkdir restored
    borg list --format '{type}{path}{NL}' "$repository::tree" | sed -n 's/^-//p' >list
    shuf -n "$FILES" list | sed 's/^/pf:/' >drawn
    # borg 1.2 ends with 1 although all patterns match, so the files are counted. xargs makes it 123.
    (cd restored && xargs -d '\n' borg extract "$repository::tree" <../drawn) || [ $? = 123 ]
    [ "$(find restored -type f | wc -l)" = "$FILES" ]
    rm -r restored list drawn
}
spot_check() { "$BORGMATIC" --config "$repository.yaml" check --only spot --force; }

# measure LABEL FUNCTION: measures one run, and adds a line to borg.tsv as print_table reads it.
measure() {
    local start end
    start=${EPOCHREALTIME/./}
    if ! /usr/bin/time -f %M -o "$OUT/memory" bash -euo pipefail -c '"$@"' run "$2" >"$OUT/last-run.txt" 2>&1; then
        echo "$1 failed; it printed:" >&2
        tail -20 "$OUT/last-run.txt" >&2
        exit 1
    fi
    end=${EPOCHREALTIME/./}
    printf 'borg, %s of %s files\t%s\twarm\t%s.%06d\t%s\n' "$FILES" "$count" "$1" \
        $(((end - start) / 1000000)) $(((end - start) % 1000000)) "$(tail -1 "$OUT/memory")" >>"$OUT/borg.tsv"
}
export -f bkverify list_and_extract spot_check
export BKVERIFY BORGMATIC FILES OUT TREE repository scratch

# The first round fills the caches, and is not counted.
for round in 0 $(seq "$ROUNDS"); do
    echo "round $round" >&2
    [ "$round" != 1 ] || rm "$OUT/borg.tsv"
    measure bkverify bkverify
    measure 'borg list, borg extract' list_and_extract
    measure 'borgmatic spot check' spot_check
done
{
    print_table "$OUT/borg.tsv"
    printf '\nVersions: %s; %s; borgmatic %s.\n' "$("$BKVERIFY" --version)" "$(borg --version)" "$("$BORGMATIC" --version)"
} | tee "$OUT/borg.md"
