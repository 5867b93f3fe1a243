// The commands of keys beside a gateway in a process of its own: what it has in force, and what its audit log has of them.
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import { suite, test, type TestContext } from 'node:test'

import { delta, whole } from '../../support/chat-content.ts'
import { until } from '../../support/deadline.ts'
import { askSocket } from '../../support/control-socket.ts'
import type { Setup } from '../../support/gateway-config.ts'
import { type RunningProcess, startGatewayProcess } from '../../support/gateway-process.ts'
import { connectRaw, exchange, rawRequest } from '../../support/raw-client.ts'
import { type EndedCommand, runCommand } from '../../support/run-command.ts'
import { chunk, hang, streamHead } from '../../support/upstream-script.ts'

type Desk = RunningProcess & {
  readonly state: string
  readonly env: NodeJS.ProcessEnv
  /** Runs `key …` as the gateway's user. */
  readonly key: (...args: readonly string[]) => Promise<EndedCommand>
  /** The same for any command. */
  readonly run: (...args: readonly string[]) => Promise<EndedCommand>
  readonly events: () => readonly AuditLine[]
  readonly callWith: (key: string) => Promise<number>
}

interface AuditLine {
  readonly event_name: string
  readonly outcome: string
  readonly attributes: Readonly<Record<string, unknown>>
}

async function desk(t: TestContext, setup: Setup = {}): Promise<Desk> {
  const started = await startGatewayProcess(t, { keys: { mode: 'required' }, ...setup })
  const { gateway, upstream } = started
  const { folder, file } = gateway
  const env = { HOME: folder, XDG_RUNTIME_DIR: '', PATH: '' }
  const state = join(folder, '.local/state/llm-gateway')
  upstream.respondAlways(whole())
  const run = (...args: readonly string[]) => runCommand(args, { env })
  return Object.assign(started, {
    state,
    env,
    run,
    key: (...args: readonly string[]) => run('key', ...args, '--config', file),
    events: () =>
      readdirSync(state)
        .filter((name) => /^audit-.*\.jsonl$/.test(name))
        .flatMap((name) => readFileSync(join(state, name), 'utf8').trimEnd().split('\n'))
        .map((line) => JSON.parse(line) as AuditLine),
    async callWith(key: string) {
      const headers = { authorization: `Bearer ${key}` }
      const call = rawRequest('POST /v1/chat/completions', headers, '{"model":"plain","messages":[]}')
      return (await exchange(t, gateway.url, call)).status
    },
  })
}

function ofKeys(events: readonly AuditLine[]): string[] {
  const names = events.map(({ event_name: name, outcome }) => `${name} ${outcome}`)
  return names.filter((name) => name.startsWith('llm_gateway.key.')).map((name) => name.slice(12))
}

for (const workers of [1, 2]) {
  suite(`with ${workers} worker threads`, () => {
    test('a change is in force when the command ends, and the streams it ended are counted', async (t) => {
      const at = await desk(t, { server: { workers } })
      const { gateway, upstream, key, callWith } = at
      const made = await key('create', 'ann')
      const threads = workers === 1 ? '1 thread' : `${workers} threads`
      assert.match(made.stderr, new RegExp(`In force after \\d+ ms in ${threads}, 0 streams ended\\.`))
      const text = made.stdout.trim()
      assert.equal(await callWith(text), 200)

      upstream.respondAlways([streamHead(), chunk(`data: ${delta('first')}\n\n`), hang])
      const client = await connectRaw(t, gateway.url)
      const headers = { authorization: `Bearer ${text}` }
      const body = '{"model":"plain","messages":[],"stream":true}'
      client.send(rawRequest('POST /v1/chat/completions', headers, body))
      await client.seen('first')
      const revoked = await key('revoke', 'ann')
      assert.match(revoked.stdout, new RegExp(`In force after \\d+ ms in ${threads}, 1 stream ended\\.`))
      assert.equal(await callWith(text), 401)
      await client.seen('key_revoked')
      await gateway.says(/"level":"WARN"[^\n]*"event":"call"[^\n]*"code":"key_revoked"/)
    })
  })
}

test('each change is in the audit log, without the key and without a name in clear', async (t) => {
  const at = await desk(t)
  const texts: string[] = []
  for (const args of [
    ['create', 'ann'],
    ['set', 'ann', '--rpm', '5'],
    ['rotate', 'ann'],
    ['disable', 'ann'],
    ['enable', 'ann'],
    ['revoke', 'ann'],
    ['delete', 'ann'],
    ['master', 'set', '--generate'],
    ['master', 'rotate'],
  ]) {
    const { status, stdout, stderr } = await at.key(...args)
    assert.equal(status, 0, stderr)
    texts.push(...(/gw_\w+/.exec(stdout) ?? []))
  }
  await at.gateway.stop()
  assert.deepEqual(ofKeys(at.events()), [
    'key.created success',
    'key.changed success',
    'key.rotated success',
    'key.disabled success',
    'key.enabled success',
    'key.revoked success',
    'key.deleted success',
    'key.master_set success',
    'key.rotated success',
  ])
  const [created] = at.events().filter(({ event_name: name }) => name.endsWith('key.created'))
  const { 'key.id': id, 'key.secret': secret, client, actor, via } = created!.attributes
  assert.match(String(id), /^k_\w{12}$/)
  assert.match(String(secret), /^\w{12}$/)
  assert.equal(via, 'cli')
  const names = (JSON.parse(readFileSync(join(at.state, 'audit-names.json'), 'utf8')) as { names: string[] })
    .names
  assert.deepEqual([names[Number(client)], names[Number(actor)]], ['key:ann', `user:${userInfo().username}`])
  const written = JSON.stringify(at.events())
  assert.equal(texts.length, 4)
  for (const text of texts) assert.ok(!written.includes(text.slice(16)))
  assert.doesNotMatch(written, /ann/)
  const { status, stdout } = await at.run('audit', 'verify')
  assert.deepEqual([status, stdout.includes('intact to')], [0, true])
})

test('while no gateway runs, commands write the log themselves, and it stays whole', async (t) => {
  const at = await desk(t)
  assert.equal((await at.key('create', 'ann')).status, 0)
  await at.gateway.stop()
  assert.equal((await at.key('create', 'bob')).status, 0)
  assert.equal((await at.key('revoke', 'ann')).status, 0)
  assert.deepEqual(ofKeys(at.events()), ['key.created success', 'key.created success', 'key.revoked success'])
  assert.match((await at.run('audit', 'verify')).stdout, /intact to \d+, anchored to \d+/)
})

for (const isRunning of [true, false]) {
  const when = isRunning ? 'of a running gateway' : 'while none runs'
  test(`where the audit log ${when} cannot be written, keys are not created but revoked`, async (t) => {
    const at = await desk(t)
    assert.equal((await at.key('create', 'ann')).status, 0)
    if (!isRunning) await at.gateway.stop()
    const isLoaded = () => at.events().some(({ event_name: name }) => name.endsWith('keys.loaded'))
    await until(isLoaded, 'the event that follows a new key')
    const [file] = readdirSync(at.state).filter((name) => /^audit-.*\.jsonl$/.test(name))
    rmSync(join(at.state, file!))
    mkdirSync(join(at.state, file!))

    const before = readFileSync(join(at.gateway.folder, 'keys.json'), 'utf8')
    const refused = await at.key('create', 'bob')
    assert.equal(refused.status, 1)
    assert.match(
      refused.stderr,
      /the audit log cannot be written \(.*(EISDIR|not a regular file).*\); nothing was changed/,
    )
    assert.equal(refused.stdout, '')
    for (const args of [
      ['set', 'ann', '--rpm', '1'],
      ['rotate', 'ann'],
      ['master', 'set', '--generate'],
    ])
      assert.equal((await at.key(...args)).status, 1)
    assert.equal(readFileSync(join(at.gateway.folder, 'keys.json'), 'utf8'), before)

    const revoked = await at.key('revoke', 'ann')
    assert.equal(revoked.status, 0, revoked.stderr)
    if (!isRunning) {
      assert.match(revoked.stderr, /warning: it is not in the audit log: .*(EISDIR|not a regular file)/)
      return
    }
    // The gateway writes the revocation as soon as it can, and not the creation that was refused.
    rmSync(join(at.state, file!), { recursive: true })
    await at.gateway.stop()
    assert.deepEqual(ofKeys(at.events()), ['key.revoked success'])
  })
}

test('a change that was recorded and could not be made is recorded as a failure', async (t) => {
  const at = await desk(t)
  const { gateway, events, key, run } = at
  assert.equal((await key('create', 'ann')).status, 0)
  mkdirSync(join(gateway.folder, 'keys.json.new'))
  const refused = await key('create', 'bob')
  assert.equal(refused.status, 1)
  assert.match(refused.stderr, /keys\.json\.new is a directory; remove it\. The keys are as before/)
  assert.equal((await key('disable', 'ann')).status, 1)
  mkdirSync(join(gateway.folder, 'secrets', '.openai.age.new'), { recursive: true })
  assert.equal((await run('secret', 'set', 'openai', '--generate', '--config', gateway.file)).status, 1)
  const changes = () =>
    events()
      .map(({ event_name: name, outcome }) => `${name.replace('llm_gateway.', '')} ${outcome}`)
      .filter((event) => /^(key|secret)\./.test(event))
  // The command does not wait for the last one, which changes nothing.
  await until(() => changes().length === 5, 'the events')
  assert.deepEqual(changes(), [
    'key.created success',
    'key.created success',
    'key.created failure',
    'secret.set success',
    'secret.set failure',
  ])
})

test('the control socket takes only events that commands report', async (t) => {
  const at = await desk(t)
  const event = { name: 'key.created', outcome: 'success', actor: 'user:ann', attributes: {} }
  const send = async (input: object) => {
    const path = join(at.state, 'control.sock')
    return (await askSocket(path, 'POST /-/audit/append', {}, JSON.stringify(input))).status
  }
  assert.equal(await send({ ...event, required: true }), 200)
  const before = at.events().length
  for (const wrong of [
    { name: 'gateway.started' },
    { name: 'toString' },
    { outcome: 'fine' },
    { actor: '' },
    { actor: 'a'.repeat(201) },
    { client: 7 },
    { attributes: { key: 'gw_x' } },
    { attributes: { 'key.id': 7 } },
  ])
    assert.equal(await send({ ...event, ...wrong }), 409, JSON.stringify(wrong))
  assert.equal(at.events().length, before)
  assert.equal(await send({ ...event, required: true }), 200)
  assert.equal(at.events().length, before + 1)
})

test('without an audit log there is none afterwards', async (t) => {
  const at = await desk(t, { audit: { enabled: false } })
  assert.equal((await at.key('create', 'ann')).status, 0)
  await at.gateway.stop()
  assert.equal((await at.key('revoke', 'ann')).status, 0)
  assert.deepEqual(
    readdirSync(at.state).filter((name) => name.startsWith('audit')),
    [],
  )
})

test('`key list` and `key show` have the use of each secret, and the calls of today', async (t) => {
  const at = await desk(t)
  const ann = (await at.key('create', 'ann')).stdout.trim()
  await at.key('create', 'bob')
  assert.deepEqual([await at.callWith(ann), await at.callWith(ann)], [200, 200])
  // The rows are written at the latest when it stops.
  await at.gateway.stop()

  const list = await at.key('list')
  const day = String.raw`\d{4}-\d\d-\d\d \d\d:\d\d UTC`
  assert.match(list.stdout, /^name .* last used +today/)
  assert.match(list.stdout, new RegExp(`^ann .* ${day} +2 calls, 0\\.00 USD, 2 without a price`, 'm'))
  assert.match(list.stdout, /^bob .* never +-$/m)
  const show = await at.key('show', 'ann')
  assert.match(show.stdout, new RegExp(`secret .*, first used ${day}, last used ${day}`))
  assert.match(show.stdout, /today +2 calls/)
  const json = JSON.parse((await at.key('show', 'ann', '--json')).stdout) as {
    secrets: { first_used: string; last_used: string }[]
    today: object
  }
  assert.deepEqual(json.today, { calls: 2, cost_usd: '0.00', unpriced: 2 })
  const [secret] = json.secrets
  assert.ok(Date.parse(secret!.first_used) <= Date.parse(secret!.last_used))
  const unused = JSON.parse((await at.key('show', 'bob', '--json')).stdout) as typeof json
  assert.equal(unused.secrets[0]!.last_used, null)
})

for (const isRunning of [true, false]) {
  const when = isRunning ? 'while the gateway runs' : 'while none runs'
  test(`\`usage erase\` erases the name in the audit log too, ${when}`, async (t) => {
    const at = await desk(t)
    const ann = (await at.key('create', 'ann')).stdout.trim()
    assert.equal(await at.callWith(ann), 200)
    const names = () => readFileSync(join(at.state, 'audit-names.json'), 'utf8')
    if (!isRunning) await at.gateway.stop()
    else await until(() => existsSync(join(at.state, 'usage.db')), 'the ledger')
    assert.match(names(), /key:ann/)
    const erased = await at.run('usage', 'erase', 'key:ann')
    assert.match(erased.stdout, /^key:ann is now erased-\d+ in the audit log$/m, erased.stderr)
    assert.doesNotMatch(names(), /key:ann/)
    await at.gateway.stop()
    assert.doesNotMatch(names(), /key:ann/)
    const { status, stdout } = await at.run('audit', 'tail')
    assert.equal(status, 0)
    assert.match(stdout, /usage\.erased .*client=erased-\d+ actor=user:/)
    assert.match(stdout, /key\.created .*client=erased-\d+/)
    assert.equal((await at.run('audit', 'verify')).status, 0)
    assert.equal((await at.run('usage', 'erase', 'key:nobody')).status, 1)
  })
}

test('a secret is not stored without a record, and removed all the same', async (t) => {
  const at = await desk(t)
  const secret = (input: string, ...args: readonly string[]) =>
    runCommand(['secret', ...args, '--config', at.gateway.file], { env: at.env, input })
  assert.equal((await secret('sk-Vb7Qe2RtYk90Lm\n', 'set', 'cloud')).status, 0)
  await at.gateway.stop()
  const last = at.events().filter(({ event_name: name }) => name.startsWith('llm_gateway.secret.'))
  assert.deepEqual(
    last.map(({ event_name: name, attributes }) => [name, attributes['secret.name']]),
    [['llm_gateway.secret.set', 'cloud']],
  )
  assert.doesNotMatch(JSON.stringify(at.events()), /Vb7Qe2RtYk90Lm/)

  const [file] = readdirSync(at.state).filter((name) => /^audit-.*\.jsonl$/.test(name))
  rmSync(join(at.state, file!))
  mkdirSync(join(at.state, file!))
  const refused = await secret('sk-Hn3Wd8XcPz61Ks\n', 'set', 'other')
  assert.equal(refused.status, 1)
  assert.match(refused.stderr, /the audit log cannot be written \(.*\); nothing was changed/)
  assert.ok(!existsSync(join(at.gateway.folder, 'secrets/other.age')))
  const removed = await secret('', 'remove', 'cloud')
  assert.equal(removed.status, 0)
  assert.match(removed.stderr, /warning: it is not in the audit log/)
  assert.ok(!existsSync(join(at.gateway.folder, 'secrets/cloud.age')))
})
