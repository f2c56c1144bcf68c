# VPNs that no unit starts: by netplan, by systemd-networkd (with blanks around `=`), by ifupdown and
# by cron; a network of tinc; and a tap link with an address. The unit of tinc itself is enabled
# wherever it is installed.
version systemd netplan.io ifupdown tinc
cat > /etc/netplan/x.yaml << EOF
network:
  version: 2
  tunnels:
    wg1:
      mode: wireguard
      key: $(wg genkey)
      addresses: [10.9.0.1/24]
      peers:
        - keys: {public: $(wg genkey | wg pubkey)}
          allowed-ips: [10.9.0.0/24]
EOF
chmod 600 /etc/netplan/x.yaml
netplan generate
printf '[NetDev]\nName = ipsec0\nKind = xfrm\n' > /etc/systemd/network/x.netdev
ln -s /dev/null /etc/systemd/network/off.netdev
printf 'auto wg2\niface wg2 inet static\n  pre-up ip link add wg2 type wireguard\n' > /etc/network/interfaces.d/wg2
echo '@reboot root wg-quick up wg3' > /etc/cron.d/wg
systemctl enable -q tinc@office
ip tuntap add dev office mode tap
ip address add 10.8.0.1/24 dev office
ip link set office up
ask ip -j -d addr
ask_comms
sed -i 's/\( key:\|PrivateKey=\).*/\1 SECRET/' /etc/netplan/x.yaml /run/systemd/network/*.netdev
keep /etc/systemd/system/*.wants/* /etc/systemd/network/* /run/systemd/network/*.netdev /etc/netplan/*
keep /etc/network/interfaces.d/* /etc/cron.d/wg
