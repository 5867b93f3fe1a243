// A gateway whose audit log has no room: calls and what restricts access go on, and nothing that widens it happens unrecorded.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { appendFileSync, mkdirSync, readdirSync, readFileSync, rmSync, statfsSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

import { whole } from '../support/chat-content.ts'
import { scratchDirectory } from '../support/config-file.ts'
import { until } from '../support/deadline.ts'
import { startGatewayProcess } from '../support/gateway-process.ts'
import { findProgram, unless } from '../support/needs.ts'
import { exchange, rawRequest } from '../support/raw-client.ts'
import { runCommand } from '../support/run-command.ts'

const skip = unless(process.getuid?.() === 0 && findProgram('mount') !== undefined, 'needs root and mount')

test('on a full disk calls go on, keys are revoked, and none is created', { skip }, async (t) => {
  let state = ''
  // Before its own folder is removed, as these run in order.
  t.after(() => spawnSync('umount', ['--lazy', state]))
  const folder = scratchDirectory(t)
  state = join(folder, 'state')
  mkdirSync(state)
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=1m,mode=0700', 'tmpfs', state], {
    encoding: 'utf8',
  })
  if (mounted.status !== 0) return t.skip(`nothing can be mounted here: ${mounted.stderr.trim()}`)
  const runtime = join(folder, 'run')
  mkdirSync(runtime, { mode: 0o700 })
  const places = { STATE_DIRECTORY: state, XDG_RUNTIME_DIR: runtime }
  const setup = {
    keys: { mode: 'optional' },
    usage: { enabled: false },
    server: { watch_config: false },
  } as const
  const { gateway, upstream } = await startGatewayProcess(t, setup, places)
  upstream.respondAlways(whole())
  const env = { HOME: gateway.folder, PATH: '', ...places }
  const run = (...args: readonly string[]) => runCommand([...args, '--config', gateway.file], { env })
  const createdText = async (name: string) => {
    const { status, stdout, stderr } = await run('key', 'create', name)
    assert.equal(status, 0, stderr)
    return /gw_\w+/.exec(stdout)![0]
  }
  const [ann, bob] = [await createdText('ann'), await createdText('bob')]
  const statusWith = async (key: string) => {
    const headers = { authorization: `Bearer ${key}` }
    const call = rawRequest('POST /v1/chat/completions', headers, '{"model":"plain","messages":[]}')
    return (await exchange(t, gateway.url, call)).status
  }
  assert.deepEqual([await statusWith(ann), await statusWith(bob)], [200, 200])

  assert.equal((await run('secret', 'set', 'first', '--generate')).status, 0)
  const filler = join(state, 'filler')
  const fill = () => {
    try {
      for (;;) appendFileSync(filler, Buffer.alloc(4_096))
    } catch {
      return statfsSync(state).bavail === 0
    }
  }
  await until(fill, 'the disk to be full')
  // The last page of the file has room for a few lines more.
  let refused = { status: 0, stdout: '', stderr: '' }
  for (let count = 0; refused.status === 0; count++) {
    assert.ok(count < 40)
    refused = await run('key', 'create', `spare-${count}`)
  }
  assert.match(refused.stderr, /the audit log cannot be written \(.*no space.*\); nothing was changed/)
  await gateway.says(/audit_unavailable/)
  const keys = readFileSync(join(gateway.folder, 'keys.json'), 'utf8')
  assert.equal((await run('key', 'set', 'ann', '--rpm', '5')).status, 1)
  const secret = await run('secret', 'set', 'openai', '--generate')
  assert.equal(secret.status, 1, secret.stdout)
  assert.match(secret.stderr, /the audit log cannot be written/)
  assert.ok(!readdirSync(join(gateway.folder, 'secrets')).includes('openai.age'))
  assert.equal(readFileSync(join(gateway.folder, 'keys.json'), 'utf8'), keys)

  const disabled = await run('key', 'disable', 'ann')
  assert.equal(disabled.status, 0, disabled.stderr)
  const revoked = await run('key', 'revoke', 'bob')
  assert.equal(revoked.status, 0, revoked.stderr)
  assert.deepEqual([await statusWith(ann), await statusWith(bob)], [401, 401])
  assert.equal((await exchange(t, gateway.url, rawRequest('GET /v1/models'))).status, 200)

  rmSync(filler)
  await createdText('carl')
  await gateway.stop()
  const verified = await run('audit', 'verify')
  assert.equal(verified.status, 0, verified.stdout)
  const names = readdirSync(state)
    .filter((name) => name.endsWith('.jsonl'))
    .flatMap((name) => readFileSync(join(state, name), 'utf8').trimEnd().split('\n'))
    .map((line) => (JSON.parse(line) as { event_name: string }).event_name.replace('llm_gateway.', ''))
  // What restricts is noted later, in its order.
  const wanted = ['key.disabled', 'key.revoked', 'key.created']
  assert.deepEqual(names.filter((name) => wanted.includes(name)).slice(-3), wanted)
  assert.deepEqual(
    names.filter((name) => name === 'key.changed' || name === 'secret.set'),
    ['secret.set'],
  )
})
