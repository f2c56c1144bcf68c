# A tunnel is up, and OpenVPN runs.
version openvpn iproute2
ip tuntap add dev tun0 mode tun
ip link set tun0 up
openvpn --dev null --remote 127.0.0.1 --lport 0 --verb 0 --daemon
sleep 0.5
ask ip -j -d addr
ask_comms
keep /etc/systemd/system/*.wants/*
