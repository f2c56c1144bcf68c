#!/usr/bin/env bash
# Runs the whole of bkverify beside the programs that people use for the same work, and prints a table of ratios.
#
#     benches/peers.sh                       everything, as README-speed.md shows it: 30 GB of disk, about an hour
#     LARGE_MIB=64 MANY_FOLDERS=20 ROUNDS=3 benches/peers.sh       the same, small
#
# Variables, with what they are when unset:
#     DATA           target/peers           where the data is made and kept, about 25 GB
#     SMALL, SMALL_BACKUP                   a tree and its copy, instead of Debian's kernel source
#     LARGE_FILES=4 LARGE_MIB=1024 MANY_FOLDERS=1000               sizes of the other two sets
#     ROUNDS=5       runs of everything, one after the other in turn; the table shows medians
#     WORK="small large many"               what to measure
#     PEERS=.        beside whom: an extended regular expression, such as `rsync|cp`
#     CACHE="warm cold"                     cold needs root: it empties the system's cache before each run
#     SCRATCH        ext4                   where files are restored: `ext4` makes one in a file and mounts it (needs root;
#                                           with a journal: without one, ext4 gets slower with each file that is deleted),
#                                           `tmpfs` mounts one (needs root), anything else is a folder that exists
#     BKVERIFY       the release build      the program to measure
#     OUT            DATA/results           the table, every single run (runs.tsv), and what the programs printed
#
# Needs: cargo, rsync, rclone, hashdeep, b3sum, diff, find, GNU time; perl for the data. On Debian:
#     apt-get install rsync rclone hashdeep b3sum diffutils findutils time perl
set -euo pipefail
export LC_ALL=C
here=$(cd "$(dirname "$0")" && pwd)
. "$here/data.sh"
. "$here/table.sh"

DATA=${DATA:-$here/../target/peers}
LARGE_FILES=${LARGE_FILES:-4} LARGE_MIB=${LARGE_MIB:-1024} MANY_FOLDERS=${MANY_FOLDERS:-1000}
ROUNDS=${ROUNDS:-5} WORK=${WORK:-small large many} CACHE=${CACHE:-warm cold} PEERS=${PEERS:-.}
SCRATCH=${SCRATCH:-ext4}
mkdir -p "$DATA"
DATA=$(cd "$DATA" && pwd)
OUT=${OUT:-$DATA/results}
mkdir -p "$OUT"

# --- the peers: each does its work with $1 = backup, $2 = original, $3 = an empty folder -----------------------------

# A sample of $4 files (or `all`), restored, hashed on both sides, compared, deleted.
shell_pipeline() {
    cd "$1"
    if [ "$4" = all ]; then find . -type f; else find . -type f | shuf -n "$4"; fi > "$3/list"
    rsync --files-from="$3/list" "$1" "$3/restored"
    (cd "$3/restored" && xargs -d '\n' b3sum < "$3/list") > "$3/restored.b3"
    (cd "$2" && xargs -d '\n' b3sum < "$3/list") > "$3/original.b3"
    cmp "$3/restored.b3" "$3/original.b3"
    rm -r "${3:?}"/*
}
cp_b3sum() {
    cp -r "$1" "$3/restored"
    (cd "$1" && find . -type f) > "$3/list"
    (cd "$3/restored" && xargs -d '\n' b3sum < "$3/list") > "$3/restored.b3"
    (cd "$2" && xargs -d '\n' b3sum < "$3/list") > "$3/original.b3"
    cmp "$3/restored.b3" "$3/original.b3"
    rm -r "${3:?}"/*
}
# These only compare: what they read is never restored.
rclone_check() { rclone check --quiet --download "$1" "$2"; }
diff_rq() { diff -rq "$1" "$2"; }
rsync_anc() { [ -z "$(rsync -anc --delete --out-format=%n "$1/" "$2/" | grep -v '/$')" ]; }
hashdeep_audit() {
    (cd "$2" && hashdeep -c md5 -l -r .) > "$3/known"
    (cd "$1" && hashdeep -c md5 -l -r -a -k "$3/known" .)
    rm "$3/known"
}
find_type_f() { find "$1" -type f > /dev/null; }
verify() {
    cd "$3"
    "$BKVERIFY" --config "$DATA/none.toml" --backup "$1" --source "$2" --restore-to "$3" --cache "$4" "${@:5}"
}

# --- measuring -------------------------------------------------------------------------------------------------------

# measure WORK LABEL CACHE FUNCTION ARGUMENTS...: one run, as a line of runs.tsv: seconds, and the largest process's peak
# memory in KiB.
measure() {
    local work=$1 label=$2 cache=$3 start end log
    log=$OUT/last-run.txt
    shift 3
    if [ "$cache" = cold ]; then
        sync
        echo 3 > /proc/sys/vm/drop_caches
    fi
    start=${EPOCHREALTIME/./}
    if ! /usr/bin/time -f %M -o "$OUT/memory" bash -euo pipefail -c '"$@"' run "$@" > "$log" 2>&1; then
        echo "$label failed at $work; it printed:" >&2
        tail -20 "$log" >&2
        exit 1
    fi
    end=${EPOCHREALTIME/./}
    printf '%s\t%s\t%s\t%s.%06d\t%s\n' "$work" "$label" "$cache" $(((end - start) / 1000000)) \
        $(((end - start) % 1000000)) "$(tail -1 "$OUT/memory")" >> "$OUT/runs.tsv"
}

# contest WORK CACHE SETUP...: runs bkverify and each peer in turn, ROUNDS times. SETUP is backup, original, flags of
# bkverify, then LABEL=FUNCTION ARGUMENT for each peer.
contest() {
    local work=$1 cache=$2 backup=$3 original=$4 flags=$5 policy=use peer peers=() round
    shift 5
    [ "$cache" = warm ] || policy=drop
    for peer in "$@"; do
        [[ ! ${peer%%=*} =~ $PEERS ]] || peers+=("$peer")
    done
    # Before warm runs, the first of each is thrown away.
    for round in $([ "$cache" = cold ] || echo 0) $(seq "$ROUNDS"); do
        echo "$work, $cache, round $round" >&2
        # shellcheck disable=SC2086 # flags are words
        measure "$work" bkverify "$cache" verify "$backup" "$original" "$SCRATCH" "$policy" $flags
        for peer in "${peers[@]}"; do
            # shellcheck disable=SC2086
            measure "$work" "${peer%%=*}" "$cache" ${peer#*=} "$backup" "$original" "$SCRATCH"
        done
        [ "$round" != 0 ] || forget_last_round $((${#peers[@]} + 1))
    done
}
forget_last_round() { head -n "-$1" "$OUT/runs.tsv" > "$OUT/kept.tsv" && mv "$OUT/kept.tsv" "$OUT/runs.tsv"; }

comparers=("rclone check --download=rclone_check" "diff -rq=diff_rq" "rsync -anc=rsync_anc" "hashdeep=hashdeep_audit")

measure_small() {
    local size peers
    [ "$1" = cold ] || read_all "$SMALL" "$SMALL_BACKUP"
    for size in 500 5000 all; do
        peers=("find, shuf, rsync, b3sum=shell_sample_$size")
        [ $size != all ] || peers+=("cp, b3sum=cp_b3sum" "${comparers[@]}")
        contest "sample $size of $(count "$SMALL") files" "$1" "$SMALL_BACKUP" "$SMALL" "--sample $size" "${peers[@]}"
    done
}
shell_sample_500() { shell_pipeline "$1" "$2" "$3" 500; }
shell_sample_5000() { shell_pipeline "$1" "$2" "$3" 5000; }
shell_sample_all() { shell_pipeline "$1" "$2" "$3" all; }

measure_large() {
    [ "$1" = cold ] || read_all "$LARGE" "$LARGE_BACKUP"
    contest "all of $LARGE_FILES files of $LARGE_MIB MiB" "$1" "$LARGE_BACKUP" "$LARGE" "--sample all" \
        "cp, b3sum=cp_b3sum" "${comparers[@]}"
}

# The catalog by itself is a run that verifies one file.
measure_many() {
    local files
    files=$(count "$MANY")
    contest "list $files files (verify 1)" "$1" "$MANY_BACKUP" "$MANY" "--sample 1" "find -type f=find_type_f"
    contest "sample 500 of $files files" "$1" "$MANY_BACKUP" "$MANY" "--sample 500" \
        "find, shuf, rsync, b3sum=shell_sample_500"
    contest "sample 500 of $(count "$MANY/tenth") files" "$1" "$MANY_BACKUP/tenth" "$MANY/tenth" "--sample 500" \
        "find, shuf, rsync, b3sum=shell_sample_500"
}
# Samples are of other files each time: all of them must be in the system's cache.
read_all() { find "$@" -type f -exec cat {} + > /dev/null; }
count() { find "$1" -type f | wc -l; }

# --- the place to restore to -----------------------------------------------------------------------------------------

mounted=
tidy_up() {
    if [ -n "$mounted" ]; then
        umount "$mounted" && rmdir "$mounted"
        rm -f "$DATA/scratch.img"
    fi
}
trap tidy_up EXIT

make_scratch() {
    local kind=$SCRATCH
    case $kind in
    ext4 | tmpfs) SCRATCH=$DATA/scratch && mkdir -p "$SCRATCH" ;;
    esac
    case $kind in
    ext4)
        truncate -s 16G "$DATA/scratch.img"
        mkfs.ext4 -q -F -E lazy_itable_init=0,lazy_journal_init=0 "$DATA/scratch.img"
        mount -o loop "$DATA/scratch.img" "$SCRATCH"
        rmdir "$SCRATCH/lost+found"
        ;;
    tmpfs) mount -t tmpfs -o size=8G tmpfs "$SCRATCH" ;;
    esac
    case $kind in
    ext4 | tmpfs) mounted=$SCRATCH ;;
    esac
}

# --- the run ---------------------------------------------------------------------------------------------------------

if [ -z "${BKVERIFY:-}" ]; then
    (cd "$here/.." && cargo build --release --quiet)
    BKVERIFY=$here/../target/release/bkverify
fi
: > "$DATA/none.toml"
for set in $WORK; do
    case $set in
    small) [ -n "${SMALL:-}" ] || make_small ;;
    large) make_large ;;
    many) make_many ;;
    *) echo "WORK may hold small, large and many, not $set" >&2 && exit 2 ;;
    esac
done
make_scratch
export BKVERIFY DATA
export -f verify shell_pipeline shell_sample_500 shell_sample_5000 shell_sample_all cp_b3sum rclone_check diff_rq \
    rsync_anc hashdeep_audit find_type_f
: > "$OUT/runs.tsv"
for set in $WORK; do
    for cache in $CACHE; do
        "measure_$set" "$cache"
    done
done
{ print_table "$OUT/runs.tsv" && print_machine; } | tee "$OUT/table.md"
