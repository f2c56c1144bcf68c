#!/usr/bin/env bash
# Runs bkverify and the programs that people use for the same work, and prints a table of ratios.
#
#   benches/peers.sh                      everything, as in src/manual/speed.md; takes 50 GB,
#                                         half an hour and a quiet machine
#   LARGE_MIB=64 HUGE_MIB=256 MANY_FOLDERS=20 benches/peers.sh   the same with less data
#
# Variables and their defaults:
#   DATA           target/peers           where the data is made and left, about 40 GB
#   SMALL, SMALL_BACKUP                   a tree and its copy, instead of Debian's kernel source
#   LARGE_FILES=4 LARGE_MIB=1024 HUGE_MIB=8192 MANY_FOLDERS=1000 sizes of the other sets
#   ROUNDS=3       runs of each program, taking turns; the table shows medians
#   WORK="small processor many large huge"                       what to measure
#   PEERS=.        which programs to compare with: an extended regex, such as `rsync|cp`
#   CACHE="warm cold"                     cold needs root, to empty the cache before each run
#   SCRATCH        ext4                   where files are restored: `ext4` makes a file system in a
#                                         file and mounts it (needs root; it has a journal, because
#                                         without one ext4 gets slower with each deleted file),
#                                         `tmpfs` mounts one (needs root), anything else is a folder
#   SCRATCH_LARGE  tmpfs                  the same for large files; writing them to a disk would
#                                         take most of the time
#   BKVERIFY       the release build      the program to measure
#   OUT            DATA/results           the table, every run (runs.tsv), and what was printed
#
# Needs: cargo, rsync, rclone, hashdeep, b3sum, diff, find, GNU time; perl for the data. On Debian:
#   apt-get install rsync rclone hashdeep b3sum diffutils findutils time perl util-linux
set -euo pipefail
# What a run remembers is measured by ledger.sh alone.
export LC_ALL=C BKVERIFY_STATE_DIR=none
here=$(cd "$(dirname "$0")" && pwd)
. "$here/data.sh"
. "$here/table.sh"

DATA=${DATA:-$here/../target/peers}
LARGE_FILES=${LARGE_FILES:-4} LARGE_MIB=${LARGE_MIB:-1024} HUGE_MIB=${HUGE_MIB:-8192}
MANY_FOLDERS=${MANY_FOLDERS:-1000}
ROUNDS=${ROUNDS:-3} WORK=${WORK:-small processor many large huge} CACHE=${CACHE:-warm cold} PEERS=${PEERS:-.}
SCRATCH=${SCRATCH:-ext4} SCRATCH_LARGE=${SCRATCH_LARGE:-tmpfs}
mkdir -p "$DATA"
DATA=$(cd "$DATA" && pwd)
OUT=${OUT:-$DATA/results}
mkdir -p "$OUT"

# --- the peers: each is called with $1 = backup, $2 = original, $3 = an empty folder --------------

# Restores a sample of $4 files (or `all`), hashes both sides, compares, and deletes the copies.
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
# These only compare. They do not restore what they read.
rclone_check() { rclone check --quiet --download "$1" "$2"; }
diff_rq() { diff -rq "$1" "$2"; }
rsync_anc() { [ -z "$(rsync -anc --delete --out-format=%n "$1/" "$2/" | grep -v '/$')" ]; }
hashdeep_audit() {
    (cd "$2" && hashdeep -c md5 -l -r .) > "$3/known"
    (cd "$1" && hashdeep -c md5 -l -r -a -k "$3/known" .)
    rm "$3/known"
}
find_type_f() { find "$1" -type f > /dev/null; }
# The least that restoring and comparing small files can cost: floor.rs.
floor() { "$FLOOR" "$1" "$2" "$3"; }
one_thread() { verify "$1" "$2" "$3" use --sample all --threads 1; }
verify() {
    cd "$3"
    "$BKVERIFY" --config "$DATA/none.toml" --backup "$1" --source "$2" --restore-to "$3" --cache "$4" "${@:5}"
}

# --- measuring ------------------------------------------------------------------------------------

# measure WORK LABEL CACHE FUNCTION ARGUMENTS...: measures one run and adds a line to runs.tsv: the
# seconds (elapsed, or of all processors if METRIC is `processor`), and the largest process's peak
# memory in KiB.
measure() {
    local work=$1 label=$2 cache=$3 start end log seconds
    log=$OUT/last-run.txt
    shift 3
    if [ "$cache" = cold ]; then
        sync
        echo 3 > /proc/sys/vm/drop_caches
    fi
    start=${EPOCHREALTIME/./}
    if ! /usr/bin/time -f '%M %U %S' -o "$OUT/memory" bash -euo pipefail -c '"$@"' run "$@" > "$log" 2>&1; then
        echo "$label failed at $work; it printed:" >&2
        tail -20 "$log" >&2
        exit 1
    fi
    end=${EPOCHREALTIME/./}
    seconds=$(((end - start) / 1000000)).$(printf %06d $(((end - start) % 1000000)))
    [ "${METRIC:-clock}" = clock ] || seconds=$(tail -1 "$OUT/memory" | awk '{ print $2 + $3 }')
    printf '%s\t%s\t%s\t%s\t%s\n' "$work" "$label" "$cache" "$seconds" \
        "$(tail -1 "$OUT/memory" | cut -d ' ' -f 1)" >> "$OUT/runs.tsv"
}

# contest WORK CACHE SETUP...: runs bkverify and each peer in turn, ROUNDS times. SETUP is the
# backup, the original, flags for bkverify, and LABEL=FUNCTION ARGUMENT for each peer.
contest() {
    local work=$1 cache=$2 backup=$3 original=$4 flags=$5 policy=use peer peers=() round
    shift 5
    [ "$cache" = warm ] || policy=drop
    for peer in "$@"; do
        [[ ! ${peer%%=*} =~ $PEERS ]] || peers+=("$peer")
    done
    # With a warm cache, one round is measured first and discarded.
    for round in $([ "$cache" = cold ] || echo 0) $(seq "$ROUNDS"); do
        echo "$work, $cache, round $round" >&2
        # shellcheck disable=SC2086 # flags are words
        measure "$work" bkverify "$cache" verify "$backup" "$original" "$TO" "$policy" $flags
        for peer in "${peers[@]}"; do
            # shellcheck disable=SC2086
            measure "$work" "${peer%%=*}" "$cache" ${peer#*=} "$backup" "$original" "$TO"
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
    contest "all of $LARGE_FILES files of $LARGE_MIB MiB, to $LARGE_FS" "$1" "$LARGE_BACKUP" "$LARGE" "--sample all" \
        "cp, b3sum=cp_b3sum" "${comparers[@]}"
}

# Only cold: both sides and the copy do not fit into the memory of many machines.
measure_huge() {
    [ "$1" = warm ] || contest "one file of $HUGE_MIB MiB, to $LARGE_FS" cold "$HUGE_BACKUP" "$HUGE" "--sample all" \
        "cp, b3sum=cp_b3sum"
}

# Processor time without waiting for disks, so only warm.
measure_processor() {
    [ "$1" = warm ] || return 0
    local files
    files=$(count "$SMALL")
    read_all "$SMALL" "$SMALL_BACKUP"
    METRIC=processor contest "processor time for all $files files, one thread" warm "$SMALL_BACKUP" "$SMALL" \
        "--sample all --threads 1" "open, read, write, hash, unlink: floor.rs=floor"
    contest "all $files files, two threads" warm "$SMALL_BACKUP" "$SMALL" "--sample all --threads 2" \
        "bkverify, one thread=one_thread"
}

# A run that verifies one file measures the listing.
measure_many() {
    local files tenth
    files=$(count "$MANY") tenth=$(count "$MANY/tenth")
    contest "list $files files (verify 1)" "$1" "$MANY_BACKUP" "$MANY" "--sample 1" "find -type f=find_type_f"
    contest "sample 500 of $files files" "$1" "$MANY_BACKUP" "$MANY" "--sample 500" \
        "find, shuf, rsync, b3sum=shell_sample_500"
    contest "sample 500 of $tenth files" "$1" "$MANY_BACKUP/tenth" "$MANY/tenth" "--sample 500" \
        "find, shuf, rsync, b3sum=shell_sample_500"
    [ "$1" = cold ] || return 0
    ROUNDS=1 contest "all of $files files" cold "$MANY_BACKUP" "$MANY" "--sample all" \
        "find, shuf, rsync, b3sum=shell_sample_all"
    ROUNDS=1 contest "all of $tenth files" cold "$MANY_BACKUP/tenth" "$MANY/tenth" "--sample all" \
        "find, shuf, rsync, b3sum=shell_sample_all"
}
# Each sample has other files, so all files must be in the system's cache.
read_all() { find "$@" -type f -exec cat {} + > /dev/null; }
count() { find "$1" -type f | wc -l; }

# --- the folder to restore to ---------------------------------------------------------------------

mounted=()
tidy_up() {
    local folder
    for folder in "${mounted[@]}"; do
        umount "$folder" && rmdir "$folder"
        rm -f "$folder.img"
    done
}
trap tidy_up EXIT

# scratch KIND NAME: sets TO to a folder to restore to, and prints nothing.
scratch() {
    TO=$DATA/$2
    case $1 in
    ext4)
        mkdir -p "$TO"
        truncate -s 16G "$TO.img"
        mkfs.ext4 -q -F -E lazy_itable_init=0,lazy_journal_init=0 "$TO.img"
        mount -o loop "$TO.img" "$TO"
        mounted+=("$TO")
        rmdir "$TO/lost+found"
        ;;
    tmpfs)
        mkdir -p "$TO"
        mount -t tmpfs -o size=12G tmpfs "$TO"
        mounted+=("$TO")
        ;;
    *) TO=$1 ;;
    esac
}

# --- the run --------------------------------------------------------------------------------------

if [ -z "${BKVERIFY:-}" ]; then
    (cd "$here/.." && cargo build --release --quiet)
    BKVERIFY=$here/../target/release/bkverify
fi
if [[ $WORK = *processor* ]]; then
    FLOOR=$here/../$(cd "$here/.." && cargo bench --bench floor --no-run 2>&1 | sed -n 's/.*(\(target[^)]*\)).*/\1/p')
fi
: > "$DATA/none.toml"
for set in $WORK; do
    case $set in
    small | processor) [ -n "${SMALL:-}" ] || make_small ;;
    large) make_large ;;
    huge) make_huge ;;
    many) make_many ;;
    *) echo "WORK may hold small, processor, many, large and huge, not $set" >&2 && exit 2 ;;
    esac
done
scratch "$SCRATCH_LARGE" scratch-large
TO_LARGE=$TO LARGE_FS=$(findmnt -no FSTYPE -T "$TO")
scratch "$SCRATCH" scratch
TO_SMALL=$TO
export BKVERIFY DATA FLOOR
export -f verify shell_pipeline shell_sample_500 shell_sample_5000 shell_sample_all cp_b3sum rclone_check diff_rq \
    rsync_anc hashdeep_audit find_type_f floor one_thread
: > "$OUT/runs.tsv"
for set in $WORK; do
    case $set in
    large | huge) TO=$TO_LARGE ;;
    *) TO=$TO_SMALL ;;
    esac
    for cache in $CACHE; do
        "measure_$set" "$cache"
    done
done
{ print_table "$OUT/runs.tsv" && print_machine; } | tee "$OUT/table.md"
