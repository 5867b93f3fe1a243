// A machine for the length of a test: systemd as its first process, and the manager of a user under it. All that systemd and
// the test can write is private to it; the disk below is read-only, and of the distribution's units only the few that are
// listed here run, so that none sets up or cleans the real machine.
import { checkout } from './built-checkout.ts'
import { mountCommandCache } from './compile-cache.ts'
import { environment, home, namespaces, runtimeDirectory, startInNamespaces } from './user-manager.ts'
import { uid, untilUp, type UserManager } from './user-manager.ts'
import type { Cleanup } from './scripted-upstream.ts'

/** Units of the distribution that the gateway's own units refer to, and the journal. */
const units = [
  'basic.target',
  'local-fs.target',
  'multi-user.target',
  'network-online.target',
  'network.target',
  'paths.target',
  'shutdown.target',
  'slices.target',
  'sockets.target',
  'sysinit.target',
  'systemd-journald-dev-log.socket',
  'systemd-journald.service',
  'systemd-journald.socket',
  'timers.target',
]

const userUnit = `[Unit]
After=systemd-journald.socket
[Service]
Type=notify
User=${uid}
Slice=user-${uid}.slice
Delegate=yes
KillMode=mixed
Environment=${environment().slice('env -i '.length)} SYSTEMD_LOG_TARGET=journal
ExecStart=/lib/systemd/systemd --user --unit=basic.target
`

const start = `[Unit]
Requires=basic.target systemd-journald.socket user@${uid}.service
`

const setup = `set -eu
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount -t tmpfs -o mode=755 tmpfs /run
mkdir /run/checkout
mount --bind '${checkout}' /run/checkout
for folder in etc var root usr/local; do
  mkdir -p /run/layers/$folder/upper /run/layers/$folder/work
  mount -t overlay -o lowerdir=/$folder,upperdir=/run/layers/$folder/upper,workdir=/run/layers/$folder/work overlay /$folder
done
mkdir -p /run/devices
mount -t tmpfs -o mode=755 tmpfs /run/devices
for device in null zero full random urandom tty; do
  touch /run/devices/$device
  mount --bind /dev/$device /run/devices/$device
done
mkdir /run/devices/shm /run/devices/pts /run/devices/mqueue /run/devices/hugepages
ln -s pts/ptmx /run/devices/ptmx
mount -t devpts devpts /run/devices/pts
ln -s /proc/self/fd /run/devices/fd
mount --rbind /run/devices /dev
mount -t tmpfs -o mode=1777 tmpfs /tmp
mount -t tmpfs -o mode=755 tmpfs /home
mkdir -p /run/units /run/systemd/system /run/systemd/unit-root /run/credentials /run/log/journal ${home}/llm-gateway ${runtimeDirectory}
mount --move /run/checkout ${home}/llm-gateway
${mountCommandCache(`${home}/llm-gateway`)}
mount -o remount,bind,ro ${home}/llm-gateway
mount -o remount,bind,ro /
for path in /sys /proc/sys; do
  mount --bind $path $path
  mount -o remount,bind,ro $path
done
mount -t cgroup2 cgroup2 /sys/fs/cgroup
chown ${uid}:${uid} ${home} ${runtimeDirectory}
chmod 700 ${home} ${runtimeDirectory}
echo 'gateway:x:${uid}:${uid}::${home}:/bin/bash' >>/etc/passwd
echo 'gateway:x:${uid}:' >>/etc/group
echo 0123456789abcdef0123456789abcdef >/etc/machine-id
rm -rf /etc/systemd/system
mkdir /etc/systemd/system
for unit in ${units.join(' ')}; do cp /lib/systemd/system/$unit /run/units/; done
cat >/run/units/user@${uid}.service <<'END'
${userUnit}END
cat >/run/units/test.target <<'END'
${start}END
# Among the namespaces of this machine, as at a boot: credentials are mounted in one and seen in another.
mount --make-rshared /
ip link set lo up
echo set up
exec env -i container=other PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin SYSTEMD_UNIT_PATH=/etc/systemd/system:/run/units /lib/systemd/systemd --system --unit=test.target --log-target=journal >/dev/null 2>&1
`

/** As `startUserManager`; `isRoot` runs a command as root, for the system's manager. It ends after the test. */
export async function startMachine(t: Cleanup): Promise<UserManager> {
  const machine = await startInNamespaces(t, `${namespaces} --uts`, setup)
  await machine.ok(untilUp('--system'), { isRoot: true })
  await machine.ok(untilUp('--user'))
  return machine
}
