# A service that fails over and over (activating, never failed), and one that has failed for good.
version systemd
printf '[Service]\nExecStart=/bin/false\nRestart=always\nRestartSec=60\n' > /etc/systemd/system/loop.service
printf '[Service]\nExecStart=/bin/sh -c "sleep 0.2; exit 1"\nRestart=always\nRestartSec=0.1\nStartLimitIntervalSec=0\n[Unit]\nStartLimitIntervalSec=0\n' > /etc/systemd/system/flapping.service
printf '[Service]\nExecStart=/bin/false\n' > /etc/systemd/system/broken.service
systemctl daemon-reload
systemctl start loop flapping broken
sleep 3
. ./alerts.sh
