# What the check `alerts` asks.
sleep 0.5
ask journalctl --no-pager -p crit -n500 --since=-7d --output=json
ask journalctl --no-pager -k -p warning -n2000 --since=-7d --output=json
ask journalctl --no-pager -r -n1 --until=-7d --output=json
ask journalctl --no-pager -n1 --since=-7d --output=json
ask systemctl show '*' --property=Id,ActiveState,SubState,NRestarts --no-pager
ask smartctl --scan -j
keep /proc/1/comm /proc/self/mounts
