# A complete report of Lynis, shortened to what the check reads.
version lynis
lynis audit system --quick --no-colors > /dev/null 2>&1 || true
sed -i -nE '/^(report_datetime|lynis_version|lynis_tests_done|test_group|test_category|hostname=|hardening_index|warning|suggestion|finish|os)/p' /var/log/lynis-report.dat
keep /var/log/lynis-report.dat /proc/sys/kernel/hostname
