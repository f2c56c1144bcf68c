# `lynis show version` replaces the report of the audit, so the check does not run it.
version lynis
lynis audit system --quick --no-colors > /dev/null 2>&1 || true
lynis show version > /dev/null
keep /var/log/lynis-report.dat
touch_only /usr/sbin/lynis
