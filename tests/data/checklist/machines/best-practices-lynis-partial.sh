# A run of one group of tests, whose report ends as that of a whole run does.
version lynis
lynis audit system --quick --no-colors --tests-from-group banners > /dev/null 2>&1 || true
sed -i -nE '/^(report_datetime|lynis_version|lynis_tests_done|test_group|test_category|hostname=|hardening_index|finish|os)/p' /var/log/lynis-report.dat
keep /var/log/lynis-report.dat /proc/sys/kernel/hostname
