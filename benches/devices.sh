#!/usr/bin/env bash
# On several kinds of device, asks `bkverify bench` how long a verification will take, then
# verifies, and prints a table of how far off the predictions were.
#
#   benches/devices.sh                    everything, as in benches/README.md; takes 6 GB and
#                                         about five minutes
#   DEVICES="disk spinning" ROUNDS=1 benches/devices.sh          a part of it
#
# Devices:
#   disk           many small files: everything on the disk that holds DATA
#   disk-large     the same, few large files
#   disk-memory    originals and backup on that disk, the restore folder in memory
#   memory         everything in memory
#   slow-backup    the backup on a slow connection, with a limited rate and a delay for each request
#   slow-source    the originals on such a connection, the backup on the disk
#   spinning       originals and backup on something like a hard disk: some milliseconds for each
#                  request, and one request at a time
#
# A slow device is an ext4 image that nbdkit serves, nbdfuse shows as a file, and a loop device
# without a cache (`--direct-io`) mounts. So what the program drops from the cache really is
# dropped.
#
# Variables and their defaults:
#   DATA           target/devices         where the data is made; remove it to change it
#   FROM           /usr/share             the small files are the first FILES=30000 of this tree by
#                                         name, and the first SLOW_FILES=3000 on slow devices
#   LARGE_FILES=6 LARGE_MIB=256           the large files
#   DEVICES        all of the above
#   ROUNDS=3       real runs of each sample, with an empty cache; the table shows the median
#   SAMPLES="500 5% all"
#   RATE=160M LATENCY=2ms                 slow connection: bits per second, time per request
#   SEEK=5ms                              hard disk: time per request
#   BENCH          --max-time 30s         flags for the bench
#   BKVERIFY       the release build      the program to measure
#   OUT            DATA/results           the table, every run (runs.tsv), and what was printed
#
# Needs root, to mount and to empty the system's cache, and cargo unless BKVERIFY is set. On Debian:
#   apt-get install nbdkit libnbd-bin e2fsprogs jq
set -euo pipefail
# What a run remembers is measured by ledger.sh alone.
export LC_ALL=C BKVERIFY_STATE_DIR=none
here=$(cd "$(dirname "$0")" && pwd)
. "$here/data.sh"

DATA=${DATA:-$here/../target/devices}
FROM=${FROM:-/usr/share} FILES=${FILES:-30000} SLOW_FILES=${SLOW_FILES:-3000}
LARGE_FILES=${LARGE_FILES:-6} LARGE_MIB=${LARGE_MIB:-256}
DEVICES=${DEVICES:-disk disk-large disk-memory memory slow-backup slow-source spinning}
ROUNDS=${ROUNDS:-3} SAMPLES=${SAMPLES:-500 5% all}
RATE=${RATE:-160M} LATENCY=${LATENCY:-2ms} SEEK=${SEEK:-5ms} BENCH=${BENCH:---max-time 30s}
mkdir -p "$DATA"
DATA=$(cd "$DATA" && pwd)
OUT=${OUT:-$DATA/results}
mkdir -p "$OUT"

# --- data: each set is an original and a copy of it that shares no blocks with it -----------------

# make_tree NAME FILES: copies the first FILES files of FROM, by name.
make_tree() {
    whole "$DATA/$1" && return
    local part=$DATA/$1.part
    rm -rf "$part" && mkdir -p "$part/original"
    # awk reads the list to its end, so that no program is killed by a closed pipe.
    (cd "$FROM" && find . -xdev -type f | sort | awk -v files="$2" 'NR <= files' > "$part/list" &&
        tar -cf - -T "$part/list" | tar -xf - -C "$part/original")
    cp -r --reflink=never "$part/original" "$part/backup"
    mv "$part" "$DATA/$1"
}

# Makes an ext4 image with the data of the slow devices.
make_image() {
    [ -f "$DATA/slow.img" ] && return
    local size
    size=$(du -sm "$DATA/slow" | cut -f 1)
    rm -f "$DATA/part.img"
    truncate -s "$((size * 3 / 2 + 64))M" "$DATA/part.img"
    mkfs.ext4 -q -F -O ^has_journal -N $((SLOW_FILES * 4 + 4096)) -d "$DATA/slow" "$DATA/part.img"
    mv "$DATA/part.img" "$DATA/slow.img"
}

# --- devices --------------------------------------------------------------------------------------

work=$(mktemp -d) mounted=() loop='' kit=''

# Waits for a file that a server makes when it is ready.
await() {
    local _
    for _ in $(seq 100); do
        [ ! -e "$1" ] || return 0
        sleep 0.05
    done
    echo "$1 did not appear" >&2 && exit 1
}

# serve FLAGS...: mounts the image at $work/tree. The flags of nbdkit say how slow it is.
serve() {
    mkdir -p "$work/fuse" "$work/tree"
    nbdkit --foreground --readonly --unix "$work/socket" "$@" &
    kit=$!
    await "$work/socket"
    nbdfuse --readonly --pidfile "$work/fuse.pid" "$work/fuse/disk" --unix "$work/socket" &
    await "$work/fuse.pid"
    loop=$(losetup --find --show --read-only --direct-io=on "$work/fuse/disk")
    # Reading in order takes one request per megabyte, as with a drive that reads ahead.
    blockdev --setra 2048 "$loop"
    mount -o ro,noatime "$loop" "$work/tree"
}

mount_memory() {
    mkdir -p "$1"
    mount -t tmpfs -o size=8G tmpfs "$1"
    mounted+=("$1")
}

# Removes the last device.
take_down() {
    local folder
    if [ -n "$loop" ]; then
        ! mountpoint -q "$work/tree" || umount "$work/tree"
        losetup -d "$loop"
        loop=''
    fi
    ! mountpoint -q "$work/fuse" || umount "$work/fuse"
    if [ -n "$kit" ]; then
        kill "$kit" 2> /dev/null || true
        wait "$kit" 2> /dev/null || true
        kit=''
    fi
    for folder in "${mounted[@]}"; do umount "$folder"; done
    mounted=()
    rm -f "$work/socket" "$work/fuse.pid"
}

tidy_up() {
    take_down
    rm -rf "${work:?}" "${DATA:?}/restore"
}
trap tidy_up EXIT

# set_up DEVICE: makes the device, and sets `original`, `backup` and `restore`.
set_up() {
    original=$DATA/small/original backup=$DATA/small/backup restore=$DATA/restore
    mkdir -p "$restore"
    case $1 in
    disk) ;;
    disk-large) original=$DATA/large/original backup=$DATA/large/backup ;;
    disk-memory)
        restore=$work/memory
        mount_memory "$restore"
        ;;
    memory)
        mount_memory "$work/memory"
        cp -r "$original" "$backup" "$work/memory"
        original=$work/memory/original backup=$work/memory/backup restore=$work/memory/restore
        mkdir "$restore"
        ;;
    slow-backup | slow-source)
        original=$DATA/slow/original backup=$DATA/slow/backup
        serve --filter=delay --filter=rate file "$DATA/slow.img" "rate=$RATE" burstiness=0.05 "rdelay=$LATENCY"
        case $1 in
        slow-backup) backup=$work/tree/backup ;;
        slow-source) original=$work/tree/original ;;
        esac
        ;;
    spinning)
        serve --filter=noparallel --filter=delay file "$DATA/slow.img" "rdelay=$SEEK" serialize=all-requests
        original=$work/tree/original backup=$work/tree/backup
        ;;
    *) echo "DEVICES may not hold $1" >&2 && exit 2 ;;
    esac
}

# --- measuring ------------------------------------------------------------------------------------

# The program itself is read into the cache again, because its own disk is not to be measured.
empty_cache() {
    sync
    echo 3 > /proc/sys/vm/drop_caches
    "$BKVERIFY" --version > /dev/null
}

# Prints the seconds that a real verification takes.
verify() {
    local start end
    empty_cache
    start=${EPOCHREALTIME/./}
    "$BKVERIFY" --config "$DATA/none.toml" --backup "$backup" --source "$original" --restore-to "$restore" "$@" \
        > "$OUT/last-run.txt" 2>&1 || { cat "$OUT/last-run.txt" >&2 && exit 1; }
    end=${EPOCHREALTIME/./}
    echo "$(((end - start) / 1000000)).$(printf %06d $(((end - start) % 1000000)))"
}

# Asks for a prediction, and then runs what was predicted.
measure() {
    local device=$1 json=$OUT/$1.json sample threads round
    echo "$device: bench" >&2
    empty_cache
    # shellcheck disable=SC2086 # flags are words
    "$BKVERIFY" bench --config "$DATA/none.toml" --backup "$backup" --source "$original" --restore-to "$restore" \
        --json "$json" $BENCH > "$OUT/$device.txt"
    threads=$(jq .advice.threads "$json")
    for sample in $SAMPLES; do
        # A sample that contains all files is not measured twice.
        [ "$sample" = all ] || jq -e --arg sample "$sample" '.advice as $advice | $advice.predictions[] |
            select(.sample == $sample) | .files < $advice.calibration.population and .files > 1' "$json" > /dev/null || continue
        for round in $(seq "$ROUNDS"); do
            echo "$device: --sample $sample, round $round" >&2
            jq -r --arg device "$device" --arg sample "$sample" --arg real "$(verify --sample "$sample" --threads "$threads")" \
                '.advice as $advice | $advice.predictions[] | select(.sample == $sample) |
                [$device, $sample, $advice.threads, .seconds, .low, .high, $real] | @tsv' "$json" >> "$OUT/runs.tsv"
        done
    done
}

# A line for each device and sample. `off` is how much longer (+) the real run took than predicted.
print_table() {
    echo '| device | threads | sample | predicted, s | range, s | real, s | off |'
    echo '|---|---:|---:|---:|---:|---:|---:|'
    sort -s -t "$(printf '\t')" -k 1,2 -k 7,7g "$OUT/runs.tsv" | awk -F '\t' -v rounds="$ROUNDS" '
        { key = $1 FS $2; real[key, ++runs[key]] = $7; line[key] = $0 }
        END { for (key in line) {
            split(line[key], part)
            median = (real[key, int((runs[key] + 1) / 2)] + real[key, int(runs[key] / 2) + 1]) / 2
            printf "%s\t%s\t| %s | %d | %s | %.2f | %.2f to %.2f | %.2f | **%+.0f%%** |\n", part[1], part[2], part[1], part[3], \
                part[2], part[4], part[5], part[6], median, (median / part[4] - 1) * 100
        } }' > "$OUT/lines.tsv"
    for device in $DEVICES; do
        for sample in $SAMPLES; do
            awk -F '\t' -v device="$device" -v sample="$sample" '$1 == device && $2 == sample { print $3 }' "$OUT/lines.tsv"
        done
    done
}

# --- the run --------------------------------------------------------------------------------------

[ "$(id -u)" = 0 ] || { echo 'devices.sh mounts file systems and empties caches: run it as root' >&2 && exit 2; }
if [ -z "${BKVERIFY:-}" ]; then
    (cd "$here/.." && cargo build --release --quiet)
    BKVERIFY=$here/../target/release/bkverify
fi
: > "$DATA/none.toml"
: > "$OUT/runs.tsv"
make_tree small "$FILES"
case $DEVICES in *large*) make_large ;; esac
case $DEVICES in *slow* | *spinning*) make_tree slow "$SLOW_FILES" && make_image ;; esac
for device in $DEVICES; do
    set_up "$device"
    measure "$device"
    take_down
done
print_table | tee "$OUT/table.md"
