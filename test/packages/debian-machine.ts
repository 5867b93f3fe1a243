// Debian in a folder, and a machine of it: systemd as the first process, in namespaces of its own.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Cleanup } from '../support/scripted-upstream.ts'
import { home, namespaces, startInNamespaces, type UserManager } from '../support/user-manager.ts'

const include = 'curl,debconf,init-system-helpers,libatomic1,libstdc++6,systemd'

/** Fetches Debian stable into `root`. @throws when the mirror cannot be reached. */
export function bootstrapDebian(root: string): void {
  const bootstrap = ['--variant=minbase', `--include=${include}`, 'stable', root]
  const { status, stdout } = spawnSync('debootstrap', bootstrap, { encoding: 'utf8' })
  assert.equal(status, 0, stdout.slice(-2_000))
}

/** What needs the machine's own kernel, hardware or network. */
const masked = ['systemd-modules-load', 'systemd-networkd', 'systemd-resolved', 'systemd-timesyncd']

const boot = (root: string) => `set -eu
ip link set lo up
mount --bind '${root}' '${root}'
cd '${root}'
mount -t proc proc proc
mount --rbind /sys sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs -o mode=755 tmpfs dev
for device in null zero full random urandom tty; do
  touch dev/$device
  mount --bind /dev/$device dev/$device
done
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
mount -t tmpfs -o mode=755 tmpfs run
for unit in ${masked.join(' ')}; do ln -sf /dev/null etc/systemd/system/$unit.service; done
mkdir before
pivot_root . before
umount -l /before
rmdir /before
mount --make-rshared /
echo set up
exec env -i container=other PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --system --unit=multi-user.target --log-target=journal >/dev/null 2>&1
`

/** Boots `root`, to its end; the machine ends with the test. Commands are root's: `{ isRoot: true }`. */
export async function bootDebian(t: Cleanup, root: string): Promise<UserManager> {
  mkdirSync(join(root, home), { recursive: true })
  const machine = await startInNamespaces(t, `${namespaces} --uts --ipc`, boot(root))
  const booted = 'for i in $(seq 600); do [ -e /run/systemd/private ] && break; sleep 0.05; done'
  await machine.ok(`${booted}; systemctl is-system-running --wait`, { isRoot: true })
  return machine
}
