import assert from 'node:assert/strict'
import { test } from 'node:test'

import {
  configFile,
  noUserManager,
  startInstalled,
  startUserManager,
  streamCommand,
} from '../support/user-manager.ts'

const skip = noUserManager()
const gateway = 'llm-gateway/bin/llm-gateway'
const everyFile = "find .config .local -printf '%M %p\\n' 2>/dev/null | sort"

test('install on a fresh account: the first call starts the gateway and streams', { skip }, async (t) => {
  const manager = await startUserManager(t)
  await manager.ok(`${gateway} systemd install`)
  assert.equal(await manager.ok('systemctl --user is-active llm-gateway.socket'), 'active')
  assert.match(
    await manager.ok(streamCommand()),
    /"content":"hello"[^]*"content":" there"[^]*data: \[DONE\]$/,
  )
})

test('every passed socket is served: IPv4, IPv6 and Unix', { skip }, async (t) => {
  const manager = await startInstalled(t)
  const places = [
    'http://127.0.0.1:4000',
    'http://[::1]:4000',
    '--unix-socket $XDG_RUNTIME_DIR/llm-gateway/api.sock http://localhost',
  ]
  for (const place of places) assert.match(await manager.ok(streamCommand(`-g ${place}`)), /DONE/, place)
  assert.equal(
    await manager.ok('stat -c %a $XDG_RUNTIME_DIR/llm-gateway/api.sock $XDG_RUNTIME_DIR/llm-gateway'),
    '600\n700',
  )
})

test('the manager is told what is served, and that it is ready only then', { skip }, async (t) => {
  const manager = await startInstalled(t)
  await manager.ok('systemctl --user start llm-gateway')
  const status = await manager.ok('systemctl --user show -P StatusText llm-gateway')
  assert.equal(
    status,
    'serving 2 models of 2 providers on http://127.0.0.1:4000, http://[::1]:4000, unix:/run/user/1501/llm-gateway/api.sock',
  )
})

test('files are private, and a second install changes nothing', { skip }, async (t) => {
  const manager = await startUserManager(t)
  await manager.ok(`${gateway} systemd install`)
  const files = await manager.ok(everyFile)
  assert.match(files, new RegExp(`^-rw------- ${configFile.slice('/home/gateway/'.length)}$`, 'm'))
  assert.match(files, /^drwx------ \.config\/llm-gateway\/credentials$/m)
  assert.match(files, /^drwx------ \.local\/state\/llm-gateway$/m)
  const times = "find .config .local -type f -printf '%T@ %p\\n' | sort"
  const before = await manager.ok(times)
  assert.doesNotMatch(await manager.ok(`${gateway} systemd install`), /^(new|changed)/m)
  assert.equal(await manager.ok(times), before)
})

test('a dry run shows what would change, and changes nothing', { skip }, async (t) => {
  const manager = await startUserManager(t)
  assert.match(await manager.ok(`${gateway} systemd install --dry-run`), /new .*llm-gateway\.socket/)
  assert.equal(await manager.ok(everyFile), '')
})

test('a unit that was changed by hand is shown as a diff before it is overwritten', { skip }, async (t) => {
  const manager = await startInstalled(t)
  await manager.ok("sed -i 's/^RestartSec=.*/RestartSec=77/' .config/systemd/user/llm-gateway.service")
  const said = await manager.ok(`${gateway} systemd install`)
  assert.match(said, /changed .*llm-gateway\.service\n[^]*\n {4}-RestartSec=77\n {4}\+RestartSec=1\n/)
  assert.match(await manager.ok('cat .config/systemd/user/llm-gateway.service'), /^RestartSec=1$/m)
})

test('a full disk leaves a unit as it was, and not half of a new one', { skip }, async (t) => {
  const manager = await startInstalled(t)
  const units = '.config/systemd/user'
  await manager.ok(`mount -t tmpfs -o size=16k,uid=1501,gid=1501,mode=755 tmpfs ${units}`, { isRoot: true })
  await manager.ok(
    `echo '# short' >${units}/llm-gateway.service; head -c 1m /dev/zero >${units}/filler; true`,
  )
  const { status, stderr } = await manager.sh(`${gateway} systemd install`)
  assert.equal(status, 1)
  assert.match(stderr, /^Cannot write .*: the disk is full\. Make room, and install again\.$/m)
  assert.equal(
    await manager.ok(`cat ${units}/llm-gateway.service; ls -A ${units}`),
    '# short\nfiller\nllm-gateway.service',
  )
})

test('the configured port goes into the socket unit', { skip }, async (t) => {
  const manager = await startInstalled(
    t,
    'server: { port: 4711, hosts: [127.0.0.1] }\nproviders: { echo: { kind: echo } }\nmodels: { echo: { provider: echo } }\n',
  )
  assert.match(await manager.ok(streamCommand('http://127.0.0.1:4711')), /DONE/)
})

test('uninstall takes the units away and leaves configuration and keys', { skip }, async (t) => {
  const manager = await startUserManager(t)
  await manager.ok(`${gateway} systemd install && echo sk-1 | ${gateway} credential set ollama`)
  await manager.ok(streamCommand())
  await manager.ok(`${gateway} systemd uninstall`)
  const files = await manager.ok('find .config .local -type f | sort')
  assert.deepEqual(
    files.split('\n').filter((file) => !file.startsWith('.local')),
    ['.config/llm-gateway/credentials/ollama_api_key', '.config/llm-gateway/llm-gateway.yaml'],
  )
  assert.equal(
    (await manager.sh('systemctl --user is-active llm-gateway.socket llm-gateway')).stdout,
    'inactive\ninactive\n',
  )
})

test('status shows what is running, and exits with 1 when nothing is', { skip }, async (t) => {
  const manager = await startInstalled(t)
  await manager.ok(streamCommand())
  const said = await manager.ok(`${gateway} systemd status`)
  assert.match(said, /^service +active \(running\)$/m)
  assert.match(said, /^status +serving 2 models/m)
  await manager.ok('systemctl --user stop llm-gateway.socket llm-gateway')
  assert.equal((await manager.sh(`${gateway} systemd status`)).status, 1)
})
