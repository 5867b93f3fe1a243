import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { setTimeout } from 'node:timers/promises'

import { writeScratch } from '../support/config-file.ts'
import { soon } from '../support/deadline.ts'
import { startMachine } from '../support/machine.ts'
import { missing } from '../support/needs.ts'
import {
  configFile,
  echoConfig,
  journal,
  noUserManager,
  startInstalled,
  startUserManager,
  streamCommand,
  type UserManager,
  writeConfig,
} from '../support/user-manager.ts'

const root = join(import.meta.dirname, '../..')
const gateway = 'llm-gateway/bin/llm-gateway'
const show = (manager: UserManager, property: string, unit = 'llm-gateway.service') =>
  manager.ok(`systemctl --user show -P ${property} ${unit}`)

/** As sudo runs a command of the machine's user. */
const sudo = { isRoot: true, env: { HOME: '/root', SUDO_USER: 'gateway', SUDO_UID: '1501' } }

suite('the system service', { skip: noUserManager() || missing('tar', 'curl') }, () => {
  test("root installs it from a user's clone, and doctor finds nothing wrong", async (t) => {
    const machine = await startMachine(t)
    // With its build, which takes long; the operator's day builds one.
    await machine.ok(
      'mkdir clone && tar -c -C llm-gateway --exclude=./.git . | tar -x -C clone && chown -R gateway: clone',
      { isRoot: true },
    )
    assert.match(await machine.ok('clone/bin/llm-gateway systemd install --system', sudo), /^enabled /m)
    // The user whose clone it is may call it, and can change nothing that it runs.
    assert.match(await machine.ok(streamCommand()), /"content":"hello"[^]*DONE/)
    const command = await machine.ok('systemctl show -P ExecStart llm-gateway', sudo)
    assert.doesNotMatch(command, /\/home\//)
    const changeable = '! -user root -o -perm /022'
    assert.equal(await machine.ok(`find /usr/local/lib/llm-gateway ${changeable}`, { isRoot: true }), '')
    assert.equal(await machine.ok('find clone -user root', { isRoot: true }), '')

    await machine.ok(
      `sed -i 's/ollama_api_key, env: OLLAMA_API_KEY, optional: true/ollama_api_key/' /etc/llm-gateway/llm-gateway.yaml`,
      sudo,
    )
    const system = '/usr/local/lib/llm-gateway/bin/llm-gateway'
    await machine.ok(`${system} credential set ollama --system`, { ...sudo, input: 'sk-test' })
    await machine.ok(`${system} systemd restart --system`, sudo)
    for (const program of [system, 'clone/bin/llm-gateway']) {
      const { status, stdout } = await machine.sh(`${program} doctor --system --no-calls`, sudo)
      assert.equal(status, 0, stdout)
      assert.doesNotMatch(stdout, /chown/)
      assert.match(
        stdout,
        /ok +files: state directory +\/var\/lib\/llm-gateway belongs to the user of the service/,
      )
      assert.match(stdout, /ok +config: file +\/etc\/llm-gateway\/llm-gateway\.yaml/)
    }
  })
})

suite('the service', { skip: noUserManager() }, () => {
  test('a reload that needs a credential which is not loaded fails, and the status has the reason', async (t) => {
    const manager = await startInstalled(t)
    await manager.ok('systemctl --user start llm-gateway')
    const keyed = echoConfig.replace('/v1 }', '/v1, api_key: { credential: slow_api_key } }')
    await writeConfig(manager, keyed)
    const { status, stderr } = await manager.sh('systemctl --user reload llm-gateway')
    assert.equal(status, 1, stderr)
    assert.match(await show(manager, 'StatusText'), /reload refused: .*llm-gateway\.yaml.*slow_api_key/)
    assert.match(await manager.ok(streamCommand()), /DONE/)

    await writeConfig(manager, echoConfig)
    await manager.ok('systemctl --user reload llm-gateway')
    assert.doesNotMatch(await show(manager, 'StatusText'), /refused/)
  })

  test('a restart with a typo in the file fails once, and the socket stays open and answers', async (t) => {
    const manager = await startInstalled(t)
    await manager.ok('systemctl --user start llm-gateway')
    const before = await show(manager, 'MainPID')
    await manager.ok(`echo 'servers: {}' >>${configFile}`)
    const checked = await manager.sh(`${gateway} systemd restart`)
    assert.equal(checked.status, 1)
    assert.match(checked.stderr, /:\d+:1 servers: [^]*was not restarted/)
    assert.equal(await show(manager, 'MainPID'), before)
    assert.notEqual((await manager.sh('systemctl --user restart llm-gateway')).status, 0)
    assert.equal(await show(manager, 'NRestarts'), '0')
    assert.equal(await show(manager, 'ExecMainStatus'), '78')
    assert.match(await show(manager, 'StatusText'), /not started: .*llm-gateway\.yaml:\d+:1 .*servers/)

    // More clients than the manager would start the service for, and one that only connects.
    const status = `curl -s -o /dev/null -w '%{http_code} ' --max-time 15 http://127.0.0.1:4000/v1/models`
    const answers = await manager.ok(
      `exec 3<>/dev/tcp/127.0.0.1/4000; for i in $(seq 40); do ${status}; done`,
    )
    assert.deepEqual(new Set(answers.split(' ')), new Set(['503']))
    assert.equal(await show(manager, 'ActiveState', 'llm-gateway.socket'), 'active')

    await writeConfig(manager, echoConfig)
    await manager.ok(`${gateway} systemd restart`)
    assert.match(await manager.ok(streamCommand()), /DONE/)
  })

  test('during a restart the gateway serves new calls until a long stream has ended', async (t) => {
    const manager = await startInstalled(t)
    await manager.ok('systemctl --user start llm-gateway')
    const before = await show(manager, 'MainPID')
    await manager.ok('cat >slow.mjs', { input: slowProvider })
    await manager.ok(
      `systemd-run --user --collect --working-directory=$PWD ${process.execPath} $PWD/slow.mjs`,
    )
    await until(manager, '(: </dev/tcp/127.0.0.1/9999) 2>/dev/null')
    const call = streamCommand().replace('"echo"', '"slow"').replace('--max-time 20', '--max-time 50')
    const stream = manager.ok(`${call} >stream; cat stream`)
    await until(manager, 'grep -q begun stream')
    const restart = manager.ok(`${gateway} systemd restart`)
    await until(manager, `systemctl --user show -P StatusText llm-gateway | grep -q 'no call is open'`)

    assert.match(await manager.ok(streamCommand()), /DONE/)
    assert.doesNotMatch(await manager.ok('cat stream'), /DONE/)
    assert.equal(await show(manager, 'MainPID'), before)

    await manager.ok('touch released')
    assert.match(await stream, /begun[^]*DONE/)
    assert.match(await restart, /has restarted: serving/)
    assert.notEqual(await show(manager, 'MainPID'), before)
  })

  test("the incident guide's stop lasts until it is ended", async (t) => {
    const manager = await startInstalled(t)
    assert.match(await manager.ok(streamCommand()), /DONE/)
    const guide = readFileSync(join(root, 'docs/security.md'), 'utf8')
    const [, stop = '', start = ''] =
      /Stop the gateway: `([^`]+)`[^]*?To serve again: `([^`]+)`/.exec(guide) ?? []
    await manager.ok(stop)
    const { status } = await manager.sh(streamCommand())
    assert.equal(status, 7, 'curl was refused')
    await manager.ok(start)
    assert.match(await manager.ok(streamCommand()), /DONE/)
  })

  test('users that it cannot recognize are named by install, doctor and its log', async (t) => {
    const manager = await startUserManager(t)
    await writeConfig(
      manager,
      `${echoConfig}server: { trusted_proxies: [{ user: www-data }] }\naccess: { allowed_users: [self, www-data] }\n`,
    )
    const warning = /"www-data" to the TCP port are refused \(403\).*PrivateUsers=yes/
    assert.match((await manager.sh(`${gateway} systemd install`)).stderr, warning)
    assert.match((await manager.sh(`${gateway} doctor --no-calls`)).stdout, warning)
    await manager.ok('systemctl --user start llm-gateway')
    assert.ok((await journal(manager)).some(({ message }) => warning.test(message)))
    // What it warns of.
    const call = `setpriv --reuid www-data --regid www-data --clear-groups ${streamCommand('-i http://127.0.0.1:4000')}`
    assert.match(await manager.ok(call, { isRoot: true }), /^HTTP\/1\.1 403 [^]*user_not_allowed/)
  })

  test('on a fresh install a key can be stored, used and removed', async (t) => {
    const manager = await startUserManager(t)
    await manager.ok(`${gateway} systemd install`)
    const stored = await manager.ok(`${gateway} credential set openai`, { input: 'sk-test' })
    const line = /^ {2}(openai: \{.*\})$/m.exec(stored)?.[1] ?? ''
    await manager.ok(`sed -i 's|^providers:|providers:\\n  ${line}|' ${configFile}`)
    await manager.ok(`${gateway} systemd restart`)
    const passed = 'ls $XDG_RUNTIME_DIR/credentials/llm-gateway.service'
    assert.equal(await manager.ok(passed), 'openai_api_key')

    await manager.ok(`sed -i '/^  openai:/d' ${configFile}`)
    assert.match(await manager.ok(`${gateway} credential remove openai`), /^Removed openai_api_key/)
    assert.equal((await manager.sh(`${gateway} credential remove openai`)).status, 1)
    assert.equal(await manager.ok('ls .config/llm-gateway/credentials'), '')
    await manager.ok(`${gateway} systemd restart`)
    assert.notEqual((await manager.sh(passed)).status, 0)
  })

  test('uninstall leaves no unit, timer or program behind', async (t) => {
    const manager = await startUserManager(t)
    const environment = '.config/systemd/user/llm-gateway.service.d/10-environment.conf'
    const install = `${gateway} systemd install --doctor-timer && ${gateway} credential set openai`
    await manager.ok(install, { input: 'sk-test' })
    assert.equal(await manager.ok('systemctl --user is-active llm-gateway-doctor.timer'), 'active')
    const dropIns = 'cat .config/systemd/user/llm-gateway-doctor.service.d/*'
    assert.match(await manager.ok(dropIns), /LoadCredential=openai_api_key/)
    await manager.ok(`printf '[Service]\\nEnvironment=A=b\\n' >${environment}`)
    await manager.ok(`${gateway} systemd install`)
    assert.match(await manager.ok(dropIns), /Environment=A=b/)
    await manager.sh('systemctl --user start llm-gateway-doctor.service')

    await manager.ok(`${gateway} systemd uninstall`)
    assert.equal(await manager.ok('find .config/systemd .local/share -mindepth 1 ! -type d'), environment)
    const units = `systemctl --user list-units --all --plain --no-legend 'llm-gateway*'`
    assert.equal(await manager.ok(units), '')
  })

  test('runs a build of the checkout, from a copy', async (t) => {
    const manager = await startInstalled(t)
    const command = await show(manager, 'ExecStart')
    assert.match(command, /\/home\/gateway\/\.local\/share\/llm-gateway\/dist\/main\.cjs serve/)
    assert.match(
      await manager.ok(`${gateway} systemd install`),
      /^unchanged +\S+\/\.local\/share\/llm-gateway\/$/m,
    )
    assert.match(await manager.ok('.local/share/llm-gateway/bin/llm-gateway --version'), /^\d/)
  })
})

test('npm start ends with its npm', { skip: missing('npm') }, async (t) => {
  const config = writeScratch(t, echoConfig, { mode: 0o600 })
  const env = { PATH: process.env['PATH'], LLM_GATEWAY_PORT: '0', LLM_GATEWAY_CONFIG: config }
  const npm = spawn('npm', ['start'], { cwd: root, env, stdio: ['ignore', 'pipe', 'ignore'] })
  t.after(() => npm.kill('SIGKILL'))
  let log = ''
  npm.stdout.on('data', (text: Buffer) => (log += String(text)))
  await soon(
    eventually(() => log.includes('"listening"')),
    () => log,
  )
  const pid = descendant(npm.pid!)
  t.after(() => existsSync(`/proc/${pid}`) && process.kill(pid, 'SIGKILL'))
  npm.kill('SIGTERM')
  await soon(
    eventually(() => !existsSync(`/proc/${pid}`)),
    () => `the end of process ${pid}`,
  )
})

/** The last of a chain of processes, each started by the one before. */
function descendant(pid: number): number {
  const child = Number(readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').at(-1))
  return child === 0 ? pid : descendant(child)
}

async function eventually(isTrue: () => boolean): Promise<void> {
  while (!isTrue()) await setTimeout(20)
}

async function until(manager: UserManager, condition: string): Promise<void> {
  await manager.ok(`for i in $(seq 400); do ${condition} && exit; sleep 0.05; done; exit 1`)
}

/** Streams until the file `released` is there. */
const slowProvider = `
import { createServer } from 'node:http'
import { existsSync } from 'node:fs'
createServer((_, response) => {
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  response.write('data: {"choices":[{"index":0,"delta":{"content":"begun"}}]}\\n\\n')
  const end = () => (existsSync('released') ? response.end('data: [DONE]\\n\\n') : setTimeout(end, 20))
  end()
}).listen(9999, '127.0.0.1')
`
