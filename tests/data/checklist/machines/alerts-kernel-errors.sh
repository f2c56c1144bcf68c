# A disk failed two days ago, and the server was started anew since. A firewall has logged 2,100
# packets that it dropped, at the level of warnings. Written by systemd-journal-remote, with the
# kernel's own words.
version systemd systemd-journal-remote
. ./old-journal.sh
{
  echo "864000 syslog 6 old all is well"
  echo "172800 kernel 3 kernel blk_update_request: I/O error, dev sda, sector 123456"
  echo "172790 kernel 2 kernel EXT4-fs error (device sda1): ext4_find_entry:1455: inode #2: comm ls: reading directory lblock 0"
  for n in $(seq 2100); do echo "$((90000 - n)) kernel 4 kernel [UFW BLOCK] IN=eth0 OUT= SRC=198.51.100.$((n % 250)) DST=192.0.2.1 PROTO=TCP SPT=$n DPT=23"; done
} | journal kernel
. ./alerts.sh
