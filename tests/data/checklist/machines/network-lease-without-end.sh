# DHCP gave a lease without end: the kernel shows its address as a static one.
version isc-dhcp-client dnsmasq-base iproute2
ip netns add router
ip link add eth0 type veth peer name lan netns router
ip -n router addr add 192.168.7.1/24 dev lan
ip -n router link set lan up
ip link set eth0 up
ip netns exec router dnsmasq --no-resolv --port=0 --interface=lan --dhcp-range=192.168.7.100,192.168.7.150,infinite --leasefile-ro --pid-file=/run/d.pid
dhclient eth0 > /dev/null 2>&1
# The client is ended without giving its lease up, as if it had been started by hand once.
pkill dhclient
ask ip -j -d addr
ask_comms
keep /var/lib/dhcp/*
