# Turns the runs that peers.sh recorded into a Markdown table. Sourced by peers.sh.

# A line for each peer: the medians of the times, and the median of the ratios. A ratio compares two
# runs that followed each other, so a changing load disturbs it less.
print_table() {
    echo '| work | beside | cache | bkverify, s | peer, s | ratio | peak MiB, bkverify / peer |'
    echo '|---|---|---|---:|---:|---:|---:|'
    awk -F '\t' '
        function sort(list, size,    i, j, x) {
            for (i = 2; i <= size; i++)
                for (j = i; j > 1 && list[j - 1] > list[j]; j--) { x = list[j]; list[j] = list[j - 1]; list[j - 1] = x }
        }
        function median(key, size,    list, i) {
            for (i = 1; i <= size; i++) list[i] = value[key, i]
            sort(list, size)
            return (list[int((size + 1) / 2)] + list[int(size / 2) + 1]) / 2
        }
        function note(key, number) { value[key, ++runs[key]] = number }
        {
            work = $1 FS $3; key = work FS $2
            if (!(key in runs) && $2 != "bkverify") order[++lines] = key
            if ($2 == "bkverify") ours[work] = $4
            else if ($4 > 0) note("ratio" key, ours[work] / $4)
            note(key, $4)
            if ($5 > peak[key]) peak[key] = $5
        }
        END {
            for (i = 1; i <= lines; i++) {
                key = order[i]; split(key, part, FS); mine = part[1] FS part[2] FS "bkverify"
                printf "| %s | %s | %s | %.2f | %.2f | **%.2f** | %d / %d |\n", part[1], part[3], part[2], \
                    median(mine, runs[mine]), median(key, runs[key]), median("ratio" key, runs[key]), \
                    peak[mine] / 1024 + 0.5, peak[key] / 1024 + 0.5
            }
        }' "$1"
}

# The machine and the versions that were measured.
print_machine() {
    local model memory
    model=$(lscpu | sed -n 's/^Model name: *//p' | head -1)
    memory=$(awk '/^MemTotal/ { printf "%.0f", $2 / 1048576 }' /proc/meminfo)
    printf '\n%s processors (%s), %s GiB of memory, Linux %s; data on %s, restored to %s unless noted. Medians of %s runs.\n' \
        "$(nproc)" "${model:-unknown}" "$memory" "$(uname -r)" "$(findmnt -no FSTYPE -T "$DATA")" \
        "$(findmnt -no FSTYPE -T "$TO_SMALL")" "$ROUNDS"
    printf 'Versions: %s.\n' "$(versions | paste -sd ';' | sed 's/;/; /g')"
}

versions() {
    "$BKVERIFY" --version
    rsync --version | awk 'NR == 1 { print $1, $3 }'
    b3sum --version
    rclone version | head -1
    echo "hashdeep $(hashdeep -V 2>&1 | head -1)"
    cp --version | awk 'NR == 1 { print "coreutils", $NF }'
    diff --version | awk 'NR == 1 { print "diffutils", $NF }'
    find --version | awk 'NR == 1 { print "findutils", $NF }'
}
