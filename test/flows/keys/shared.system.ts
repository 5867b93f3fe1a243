// Keys that several gateways share over a real server: what is in force where, and what changes nothing.
import assert from 'node:assert/strict'
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { suite, test, type TestContext } from 'node:test'

import { parseKeyFile } from '../../../src/clients/keys/key-file.ts'
import { parseSignedKeys } from '../../../src/clients/keys/signed-keys.ts'
import { type Running, startGateway } from '../../support/app.ts'
import { delta, whole } from '../../support/chat-content.ts'
import { bearer, type TestKey, testKey } from '../../support/client-keys.ts'
import { scratchDirectory } from '../../support/config-file.ts'
import { until } from '../../support/deadline.ts'
import { type RunningProcess, startGatewayProcess } from '../../support/gateway-process.ts'
import { missing } from '../../support/needs.ts'
import { connectRaw, exchange, type RawClient, rawRequest } from '../../support/raw-client.ts'
import { redisProgram } from '../../support/redis.ts'
import { type EndedCommand, runCommand } from '../../support/run-command.ts'
import {
  keyListOf,
  newPair,
  overwrite,
  prefix,
  recordOf,
  type SharedKeysStore,
  signedText,
  startSharedKeys,
} from '../../support/shared-keys.ts'
import { chunk, hang, streamHead } from '../../support/upstream-script.ts'

type Publisher = RunningProcess & {
  readonly key: (...args: readonly string[]) => Promise<EndedCommand>
}

async function startPublisher(t: TestContext, shared: SharedKeysStore, workers = 1): Promise<Publisher> {
  const started = await startGatewayProcess(t, { ...shared.publisher, server: { workers } }, shared.env)
  const { folder, file } = started.gateway
  const env = { HOME: folder, XDG_RUNTIME_DIR: '', PATH: '', ...shared.env }
  started.upstream.respondAlways(whole())
  const key = (...args: readonly string[]) => runCommand(['key', ...args, '--config', file], { env })
  return Object.assign(started, { key })
}

/** A process of its own, which takes its time. */
async function startMemberProcess(t: TestContext, shared: SharedKeysStore): Promise<RunningProcess> {
  const started = await startGatewayProcess(t, shared.member, shared.env)
  started.upstream.respondAlways(whole())
  return started
}

/** In this process, so that it can be started again with what it has kept. */
async function startHere(
  t: TestContext,
  { member, env }: Pick<SharedKeysStore, 'member' | 'env'>,
  stateDirectory: string = scratchDirectory(t),
  workers = 1,
): Promise<Running> {
  const running = await startGateway(t, { ...member, server: { workers } }, { env, stateDirectory })
  running.upstream.respondAlways(whole())
  return running
}

async function call(t: TestContext, url: string, text: string): Promise<number> {
  const headers = { authorization: `Bearer ${text}` }
  const request = rawRequest('POST /v1/chat/completions', headers, '{"model":"plain","messages":[]}')
  return (await exchange(t, url, request)).status
}

const callWith = (t: TestContext, { gateway }: Running, key: TestKey) => call(t, gateway.url, key.text)

const isServed = async (t: TestContext, url: string, text: string) => (await call(t, url, text)) === 200

function pulled({ gateway }: Running, generation: number) {
  return gateway.logged({ event: 'keys_loaded', generation })
}

suite('keys that gateways share', { skip: missing(redisProgram) }, () => {
  test('are created and revoked on all of them by one command', async (t) => {
    const shared = await startSharedKeys(t)
    const publisher = await startPublisher(t, shared)
    const first = await startMemberProcess(t, shared)
    const second = await startHere(t, shared, scratchDirectory(t), 2)
    const all = [publisher, first, second]
    for (const { gateway } of [publisher, first]) await gateway.says(/"event":"limits_store_up"/)
    // Until then no key is valid, which the log says.
    await publisher.gateway.says(/"event":"keys_missing"[^\n]*Create a key with/)
    await second.gateway.logged({ event: 'limits_store_up' })

    const made = await publisher.key('create', 'ann')
    assert.equal(made.status, 0, made.stderr)
    const everywhere =
      'In force after \\d+ ms in 1 thread, 0 streams ended here; on 3 of 3 machines, as generation'
    assert.match(made.stderr, new RegExp(`${everywhere} 1\\.`))
    const text = made.stdout.trim()
    for (const { gateway } of all) assert.equal(await call(t, gateway.url, text), 200)

    const streams: RawClient[] = []
    for (const { gateway, upstream } of [first, second]) {
      upstream.respondAlways([streamHead(), chunk(`data: ${delta('first')}\n\n`), hang])
      const client = await connectRaw(t, gateway.url)
      const stream = '{"model":"plain","messages":[],"stream":true}'
      client.send(rawRequest('POST /v1/chat/completions', { authorization: `Bearer ${text}` }, stream))
      await client.seen('first')
      streams.push(client)
    }
    const revoked = await publisher.key('revoke', 'ann')
    assert.equal(revoked.status, 0, revoked.stderr)
    assert.match(revoked.stdout, new RegExp(`${everywhere} 2\\.`))
    for (const { gateway } of all) assert.equal(await call(t, gateway.url, text), 401)
    for (const client of streams) await client.seen('key_revoked')
  })

  test('come back after FLUSHALL, and with them the revocation', async (t) => {
    const shared = await startSharedKeys(t)
    const publisher = await startPublisher(t, shared)
    const member = await startHere(t, shared)
    const text = (await publisher.key('create', 'ann')).stdout.trim()
    await until(() => isServed(t, member.gateway.url, text), 'the key on the other machine')
    assert.equal((await publisher.key('revoke', 'ann')).status, 0)
    const other = (await publisher.key('create', 'bob')).stdout.trim()

    await shared.server.command('FLUSHALL')
    const { list } = await keyListOf(t, shared.server.url)
    await until(async () => (await list.look(0)).generation === 3, 'the list in the store again')
    assert.equal(await call(t, member.gateway.url, text), 401)
    const late = await startHere(t, shared)
    await until(() => isServed(t, late.gateway.url, other), 'the key on a new machine')
    assert.equal(await call(t, late.gateway.url, text), 401)
  })

  test('are put back by a member where the publisher is gone', async (t) => {
    const shared = await startSharedKeys(t)
    const publisher = await startPublisher(t, shared)
    const member = await startHere(t, shared)
    const text = (await publisher.key('create', 'ann')).stdout.trim()
    await until(() => isServed(t, member.gateway.url, text), 'the key on the other machine')
    await publisher.gateway.stop()
    await shared.server.command('FLUSHALL')
    const late = await startHere(t, shared)
    await until(() => isServed(t, late.gateway.url, text), 'the key on a new machine')
  })

  test('are published by the command itself where its gateway does not run', async (t) => {
    const shared = await startSharedKeys(t)
    const publisher = await startPublisher(t, shared)
    const member = await startHere(t, shared)
    const text = (await publisher.key('create', 'ann')).stdout.trim()
    await until(() => isServed(t, member.gateway.url, text), 'the key on the other machine')
    await publisher.gateway.stop()
    const revoked = await publisher.key('revoke', 'ann')
    assert.equal(revoked.status, 0, revoked.stderr)
    assert.match(revoked.stdout, /In force after \d+ ms on 1 of 1 machine, as generation 2\./)
    assert.equal(await call(t, member.gateway.url, text), 401)
  })

  test('are in force where they were changed, while the store is away, and everywhere once it is back', async (t) => {
    const shared = await startSharedKeys(t)
    const publisher = await startPublisher(t, shared)
    const member = await startHere(t, shared)
    const text = (await publisher.key('create', 'ann')).stdout.trim()
    await until(() => isServed(t, member.gateway.url, text), 'the key on the other machine')
    await shared.server.kill()
    await publisher.gateway.says(/"event":"limits_store_down"/)
    const revoked = await publisher.key('revoke', 'ann')
    assert.equal(revoked.status, 2)
    assert.match(revoked.stderr, /in force here in 1 thread, 0 streams ended; not stored yet: /)
    assert.equal(await call(t, publisher.gateway.url, text), 401)
    assert.equal(await call(t, member.gateway.url, text), 200)
    await shared.server.restart()
    await until(async () => (await call(t, member.gateway.url, text)) === 401, 'the revocation')
  })

  test('are refused as changes on a machine that does not sign them', async (t) => {
    const shared = await startSharedKeys(t)
    const member = await startMemberProcess(t, shared)
    await overwrite(t, shared, { generation: 1, keys: [recordOf('ann', testKey())], by: shared.privateKey })
    await member.gateway.says(/"event":"keys_pulled"/)
    const { file, folder } = member.gateway
    const env = { HOME: folder, XDG_RUNTIME_DIR: '', PATH: '', ...shared.env }
    const refused = await runCommand(['key', 'create', 'bob', '--config', file], { env })
    assert.equal(refused.status, 1)
    assert.match(refused.stderr, /this machine has its keys from another one, which signs them/)
    assert.equal(refused.stdout, '')
    assert.equal(existsSync(join(folder, 'keys.json')), false)
    const listed = await runCommand(['key', 'list', '--config', file], { env })
    assert.match(listed.stdout, /ann/)
  })

  test('end with the file that is removed, on the machine that signs them, until they are published', async (t) => {
    const shared = await startSharedKeys(t)
    const publisher = await startPublisher(t, shared)
    const text = (await publisher.key('create', 'ann')).stdout.trim()
    assert.equal(await call(t, publisher.gateway.url, text), 200)
    const saved = readFileSync(shared.keyFile)
    assert.ok(saved.length > 0)
    rmSync(shared.keyFile)
    await publisher.gateway.says(/"event":"keys_missing"[^\n]*"is_shared":true/)
    await until(async () => (await call(t, publisher.gateway.url, text)) === 401, 'no valid key')
    // The store has the list, and other gateways may put it there again.
    await shared.server.command('PUBLISH', `{${prefix}}:news`, 'keys 1')
    const listed = await publisher.key('publish')
    assert.equal(listed.status, 0, listed.stderr)
    assert.match(listed.stderr, /There are no keys in it/)
    assert.equal(await call(t, publisher.gateway.url, text), 401)
    const other = (await publisher.key('create', 'bob')).stdout.trim()
    assert.equal(await call(t, publisher.gateway.url, other), 200)
  })

  test('are 10,000, and one of them is revoked', async (t) => {
    const shared = await startSharedKeys(t)
    const keys = Array.from({ length: 10_000 }, () => testKey())
    const records = keys.map((key, index) => recordOf(`n${index}`, key, index))
    const member = await startHere(t, shared, scratchDirectory(t))
    await overwrite(t, shared, { generation: 1, keys: records, by: shared.privateKey })
    await pulled(member, 1)
    assert.equal(await callWith(t, member, keys[9_999]!), 200)
    await overwrite(t, shared, { generation: 2, keys: records.slice(1), by: shared.privateKey })
    await pulled(member, 2)
    assert.equal(await callWith(t, member, keys[0]!), 401)
    assert.equal(await callWith(t, member, keys[1]!), 200)
    assert.deepEqual(
      member.gateway.log().filter(({ reason }) => /no reply/.test(String(reason))),
      [],
    )
  })
})

suite('a list in the store', { skip: missing(redisProgram) }, () => {
  const [ann, eve] = [testKey(), testKey()]

  /** A member with the key of ann in force as generation 5, and with nothing of eve. */
  async function withAnn(t: TestContext) {
    const shared = await startSharedKeys(t)
    const stateDirectory = scratchDirectory(t)
    const good = { generation: 5, keys: [recordOf('ann', ann)], by: shared.privateKey }
    await overwrite(t, shared, good)
    const member = await startHere(t, shared, stateDirectory)
    await pulled(member, 5)
    return { shared, stateDirectory, good, member }
  }

  const evil = [recordOf('eve', eve)]
  // All of them: test/app/machines/held-keys.test.ts.
  const forgeries = {
    'that another key has signed': {
      write: () => ({ generation: 6, keys: evil, by: newPair().privateKey }),
      reason: /is signed with a key that keys_signed_by does not have/,
      isReplaced: false,
    },
    'that was changed after it was signed': {
      write: ({ privateKey }: SharedKeysStore) => ({
        generation: 6,
        keys: evil,
        by: privateKey,
        change: (text: string) => text.replace('"disabled":false', '"disabled": false'),
      }),
      reason: /has a signature that does not match/,
      isReplaced: true,
    },
  } as const

  for (const [name, { write, reason, isReplaced }] of Object.entries(forgeries)) {
    test(`${name} changes nothing${isReplaced ? ', and is replaced' : ''}`, async (t) => {
      const { shared, member, good } = await withAnn(t)
      await overwrite(t, shared, write(shared))
      const line = await member.gateway.logged({ event: 'keys_not_accepted', generation: 6 })
      assert.match(String(line['reason']), reason)
      assert.equal(await callWith(t, member, eve), 401)
      assert.equal(await callWith(t, member, ann), 200)
      const { list } = await keyListOf(t, shared.server.url)
      if (isReplaced) await until(async () => (await list.look(0)).generation === 5, 'the list again')
      else assert.equal((await list.look(0)).generation, 6)
      // What comes after it is in force all the same.
      await overwrite(t, shared, { ...good, generation: 7, keys: [] })
      await pulled(member, 7)
      assert.equal(await callWith(t, member, ann), 401)
    })
  }

  test('that is older than the one in force is replaced', async (t) => {
    const { shared, member } = await withAnn(t)
    await overwrite(t, shared, { generation: 4, keys: evil, by: shared.privateKey })
    const { list } = await keyListOf(t, shared.server.url)
    await until(async () => (await list.look(0)).generation === 5, 'the list again')
    assert.equal(await callWith(t, member, eve), 401)
  })

  test('of another type in the place of a key of the store is removed', async (t) => {
    const { shared, member } = await withAnn(t)
    for (const key of ['keys', 'keys:list', 'keys:held']) {
      await shared.server.command('DEL', `{${prefix}}:${key}`)
      await shared.server.command('SADD', `{${prefix}}:${key}`, 'x')
    }
    const { list } = await keyListOf(t, shared.server.url)
    await until(async () => (await list.look(0)).generation === 5, 'the list again')
    assert.equal(await callWith(t, member, ann), 200)
  })

  test('is in force from the copy, while the store is away at the start', async (t) => {
    const { shared, member, stateDirectory } = await withAnn(t)
    await member.gateway.stop()
    await shared.server.kill()
    const again = await startHere(t, shared, stateDirectory)
    assert.equal(await callWith(t, again, ann), 200)
    assert.equal(await callWith(t, again, eve), 401)
  })

  test('that is older than what was in force before a restart is not accepted, by an empty store either', async (t) => {
    const { shared, member, stateDirectory } = await withAnn(t)
    await member.gateway.stop()
    await shared.server.command('FLUSHALL')
    await overwrite(t, shared, { generation: 4, keys: evil, by: shared.privateKey })
    const again = await startHere(t, shared, stateDirectory)
    const { list } = await keyListOf(t, shared.server.url)
    await until(async () => (await list.look(0)).generation === 5, 'the newer list')
    assert.equal(await callWith(t, again, eve), 401)
    assert.equal(await callWith(t, again, ann), 200)
  })

  test('ends where the copy is removed, also after a restart, until a newer one is published', async (t) => {
    const { shared, member, stateDirectory, good } = await withAnn(t)
    const copy = join(stateDirectory, 'keys.shared')
    await until(() => existsSync(join(stateDirectory, 'keys.newest')), 'the copy')
    rmSync(copy)
    await member.gateway.logged({ event: 'keys_missing', file: copy })
    await pulled(member, 0)
    assert.equal(await callWith(t, member, ann), 401)
    await member.gateway.stop()
    const again = await startHere(t, shared, stateDirectory)
    await again.gateway.logged({ event: 'keys_missing', file: copy })
    await again.gateway.logged({ event: 'limits_store_up' })
    // It is looked at, and not taken.
    const { list } = await keyListOf(t, shared.server.url)
    const state = await again.gateway.app.reloadKeys()
    assert.equal(state?.generation, 0)
    assert.equal((await list.look(0)).generation, 5)
    assert.equal(await callWith(t, again, ann), 401)
    await overwrite(t, shared, { ...good, generation: 6 })
    await pulled(again, 6)
    assert.equal(await callWith(t, again, ann), 200)
  })

  test('whose signer is not trusted any more is not in force from the copy', async (t) => {
    const { shared, member, stateDirectory } = await withAnn(t)
    await until(() => existsSync(join(stateDirectory, 'keys.newest')), 'the copy')
    await member.gateway.stop()
    await shared.server.kill()
    const settings = shared.member.rate_limit_settings!
    const store = { ...settings.store!, keys_signed_by: [newPair().publicKey] }
    const other = { ...shared, member: { ...shared.member, rate_limit_settings: { ...settings, store } } }
    const again = await startHere(t, other, stateDirectory)
    await again.gateway.logged({ event: 'keys_not_accepted', generation: 5 })
    assert.equal(await callWith(t, again, ann), 401)
  })

  test('is kept as it was signed', async (t) => {
    const { stateDirectory, good } = await withAnn(t)
    const copy = join(stateDirectory, 'keys.shared')
    await until(() => existsSync(copy), 'the copy')
    const kept = parseSignedKeys(readFileSync(copy, 'utf8'))
    const written = parseSignedKeys(signedText(good))
    assert.equal(kept?.file, written?.file)
    assert.equal(parseKeyFile(kept!.file).kind, 'parsed')
  })

  test('is waited for, and no key is valid before', async (t) => {
    const shared = await startSharedKeys(t)
    const member = await startHere(t, shared, scratchDirectory(t))
    await member.gateway.logged({ event: 'keys_awaited' })
    const answer = await fetch(`${member.gateway.url}/v1/models`, { headers: bearer(ann) })
    assert.equal(answer.status, 401)
    await overwrite(t, shared, { generation: 1, keys: [recordOf('ann', ann)], by: shared.privateKey })
    await pulled(member, 1)
    assert.equal(await callWith(t, member, ann), 200)
  })
})
