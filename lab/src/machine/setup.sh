# Makes a new set of namespaces into a machine. Runs inside them once; the values come in the environment.
hostname "$SITE"
mount --make-rshared /

# Namespaces that others hold by name must not live on in this machine's copy of the mounts.
umount --lazy --recursive /run/netns 2>/dev/null || true

# Programs with fixed paths (/var/log/pods, /var/lib/cni) find this machine's own folder there; the lab's
# folder keeps its path inside.
mkdir -p "$FOLDER/var/lib" "$FOLDER/var/log" "$FOLDER/var/tmp" "$FOLDER/var/cache" "$FOLDER/var$LAB_BELOW_VAR"
ln -sfn /run "$FOLDER/var/run"
mount --bind "$LAB" "$FOLDER/var$LAB_BELOW_VAR"
mount --rbind "$FOLDER/var" /var
mount -t tmpfs tmpfs /run
mkdir -p /run/lock /run/netns /run/sysctl

# A user namespace may mount proc only where some proc is not covered by anything (the next step covers files).
mkdir -p /run/proc
mount -t proc -o nosuid,nodev,noexec proc /run/proc

# The kubelet insists on these, and they belong to the whole host: it reads and writes files of its own instead.
for setting in kernel/panic=10 kernel/panic_on_oops=1 vm/overcommit_memory=1 vm/panic_on_oom=0 \
    kernel/keys/root_maxkeys=1000000 kernel/keys/root_maxbytes=25000000; do
    copy=/run/sysctl/$(basename "${setting%=*}")
    echo "${setting#*=}" > "$copy"
    mount --bind "$copy" "/proc/sys/${setting%=*}"
done

echo 1 > /proc/sys/net/ipv4/ip_forward
# The kernel tells each address once in a second that a port is refused, and everybody who dials in a lab has the same one.
echo 0 > /proc/sys/net/ipv4/icmp_ratelimit
ip link set lo up
ip addr add "$MACHINE/30" dev eth0
ip link set eth0 up
ip addr add "$WAN/24" dev wan0
ip link set wan0 up

# Everything unknown goes to a bridge without ports: nothing of a test can leave this host, and a Service
# address still finds a route, which the kernel looks for before it translates it.
ip link add nowhere type bridge
ip link set nowhere up
ip route add default dev nowhere src "$MACHINE"

# Nobody outside knows the pods' addresses.
if [ -n "$PODS" ]; then
    nft -f - <<RULES
table ip lab {
  chain leaving {
    type nat hook postrouting priority srcnat + 10; policy accept;
    ip saddr $PODS oifname { "wan0", "eth0" } masquerade
  }
}
RULES
fi
