# Units enabled as instances, which `systemctl list-unit-files` does not show, and what other
# programs start at boot.
version systemd openvpn wireguard-tools network-manager
printf '[Interface]\nPrivateKey = %s\n' "$(wg genkey)" > /etc/wireguard/wg0.conf
mkdir -p /etc/openvpn/client
echo 'dev null' > /etc/openvpn/client/hq.conf
echo 'dev null' > /etc/openvpn/branch.conf
systemctl enable -q wg-quick@wg0 openvpn-client@hq
nmcli --offline connection add type wireguard con-name home ifname wg9 wireguard.private-key "$(wg genkey)" > /etc/NetworkManager/system-connections/home.nmconnection
ask systemctl list-unit-files --state=enabled --no-legend --no-pager
ask ip -j -d addr
ask_comms
keep /etc/systemd/system/*.wants/* /etc/default/openvpn
touch_only /etc/openvpn/*.conf
sed -i 's/^private-key=.*/private-key=SECRET/' /etc/NetworkManager/system-connections/home.nmconnection
keep /etc/NetworkManager/system-connections/*
