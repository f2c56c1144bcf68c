# What the check `alerts` asks.
sleep 0.5
ask journalctl --no-pager -p crit -n500 --since=-7d --output=json
signs='i/o error|medium error|uncorrected error|uncorrectable|hardware error|machine check|edac|ata bus error|failed command: |ext4-fs error|xfs_error|corruption detected'
ask journalctl --no-pager -r _TRANSPORT=kernel -p warning -n1000 --since=-7d --output=json "--grep=$signs"
ask journalctl --no-pager -r -n1 --until=-7d --output=json
ask journalctl --no-pager -n1 --since=-7d --output=json
ask systemctl show '*' --property=Id,ActiveState,SubState,NRestarts,ActiveEnterTimestampMonotonic --no-pager
ask smartctl --scan -j
keep /proc/1/comm /proc/uptime /proc/self/mounts
