# The report of a complete run on another machine.
version lynis
lynis audit system --quick --no-colors > /dev/null 2>&1 || true
hostname sbs02
sed -i -nE '/^(report_datetime|lynis_version|lynis_tests_done|test_group|test_category|hostname=|hardening_index|finish|os)/p' /var/log/lynis-report.dat
keep /var/log/lynis-report.dat /proc/sys/kernel/hostname
