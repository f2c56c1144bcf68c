# As clock-chrony-unreachable, and read five hours later: the recording's time is changed, nothing
# else.
version chrony
. ./chrony.sh
sed -i "s/^now .*/now $(date -u -d '5 hours' +%Y-%m-%dT%H:%M:%SZ)/" "$OUT"
ask_chrony
