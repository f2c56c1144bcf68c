# A container's port with a static address, and bridges: one of Docker's, and one that carries the
# server's address.
version iproute2
ip link add eth0 type veth peer name outside
ip addr add 192.168.7.9/24 dev eth0
ip link set outside up
ip link set eth0 up
ip link add br-0123456789ab type bridge
ip addr add 172.18.0.1/16 dev br-0123456789ab
ip link set br-0123456789ab up
sleep 2
ask ip -j -d addr
ask_comms
