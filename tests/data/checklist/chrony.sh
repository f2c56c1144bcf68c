# A chronyd that follows another one on this machine; neither sets the clock. With an argument,
# nothing is started.
ask_chrony() {
  ask chronyc -c tracking
  ask chronyc -n -c sources
  ask_comms
  printf '/etc/chrony/chrony.conf\n' >> "$OUT"
}
if [ $# = 0 ] || [ "$1" != none ]; then
  systemctl stop chrony
  printf 'local stratum 10\nport 11123\nbindaddress 127.0.0.1\nallow 127.0.0.1\ncmdport 0\nbindcmdaddress /\npidfile /run/server.pid\n' > /etc/server.conf
  printf 'server 127.0.0.1 port 11123 minpoll -2 maxpoll -2 iburst\n' > /etc/chrony/chrony.conf
  rm -f /etc/chrony/sources.d/* /etc/chrony/conf.d/*
  chronyd -x -d -f /etc/server.conf > /dev/null 2>&1 &
  server=$!
  chronyd -x -f /etc/chrony/chrony.conf
  for _ in $(seq 60); do chronyc -n -c sources | grep -q '^^,\*' && break; sleep 0.5; done
fi
