// The keys that machines share, over a store in memory: what is reported, and what a damaged state directory changes.
import assert from 'node:assert/strict'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite, test, type TestContext } from 'node:test'
import { deflateRawSync } from 'node:zlib'

import { type MachinesOfKeys, SharedKeys } from '../../../src/app/machines/shared-keys.ts'
import type { StoreConnection } from '../../../src/admission/stores/valkey/connection.ts'
import { StoreFault } from '../../../src/admission/stores/valkey/store-fault.ts'
import { formatKeyFile } from '../../../src/clients/keys/key-file.ts'
import { digestOfSigned, parseSignedKeys } from '../../../src/clients/keys/signed-keys.ts'
import type { GatewayEvent } from '../../../src/observe/events.ts'
import { testKey } from '../../support/client-keys.ts'
import { ownAccounts, scratchDirectory } from '../../support/config-file.ts'
import { FakeClock, settled } from '../../support/fake-clock.ts'
import { newPair, prefix, recordOf, signedText } from '../../support/shared-keys.ts'

const { privateKey, publicKey } = newPair()
const keys = [recordOf('ann', testKey())]

const signed = (generation: number) => signedText({ generation, keys, by: privateKey })

/** A list as the store has it. */
class MemoryList {
  #list = { generation: 0, digest: '', packed: '' }
  /** What the publication of a list fails with, and how often it has. */
  fault: Error | undefined
  failures = 0
  /** What each question fails with. */
  readFault: Error | undefined
  /** How often something was asked. */
  asked = 0
  /** Replies come after it. */
  gate: Promise<void> | undefined

  write(generation: number, text: string): void {
    this.#list = { generation, digest: digestOfSigned(text), packed: deflateRawSync(text).toString('base64') }
  }

  /** As a server does that is emptied. */
  lose(): void {
    this.#list = { generation: 0, digest: '', packed: '' }
  }

  /** Of read-keys.lua, and of publish-keys.lua for a list in one piece. */
  readonly run = async (script: string, _: readonly string[], args: readonly (string | number)[]) => {
    this.asked += 1
    await this.gate
    if (script === 'publish-keys') {
      if (this.fault !== undefined) {
        this.failures += 1
        throw this.fault
      }
      const [, generation, digest, , , packed] = args
      this.#list = { generation: Number(generation), digest: String(digest), packed: String(packed) }
      return { kind: 'stored', generation, digest }
    }
    assert.equal(script, 'read-keys')
    if (this.readFault !== undefined) throw this.readFault
    const { generation, digest, packed } = this.#list
    const [, , inForce, wanted, offset, length] = args
    const from = Number(offset)
    const piece = wanted === digest && digest !== '' ? packed.slice(from, from + Number(length)) : ''
    const isHeld = inForce === generation
    return { generation, size: packed.length, digest, machines: 1, inForce: isHeld ? 1 : 0, piece }
  }
}

interface Place {
  readonly stateDirectory: string
  /** Of the key file. */
  readonly path: string
  readonly signsKeys: boolean
}

function placeOf(t: TestContext, signsKeys: boolean): Place {
  return { stateDirectory: scratchDirectory(t), path: join(scratchDirectory(t), 'keys.json'), signsKeys }
}

function startKeys(t: TestContext, { stateDirectory, path, signsKeys }: Place, list = new MemoryList()) {
  const clock = new FakeClock()
  const events: GatewayEvent[] = []
  const run = list.run as unknown as StoreConnection['run']
  const machines: MachinesOfKeys = {
    connection: { isUp: true, fault: undefined, run },
    name: { machine: 'm', member: 'm.1' },
    onConnected: undefined,
    onKeys: undefined,
  }
  const shared = new SharedKeys({
    machines,
    store: { prefix, keysSignedBy: [publicKey], signsKeys },
    path,
    accounts: ownAccounts,
    chance: () => 0,
    events: { emit: (event) => void events.push(event) },
    clock,
    stateDirectory,
    apply: () => ({ threads: 1, ended: 0 }),
    builtAtMs: 0,
  })
  const loaded = shared.load()
  shared.start(1)
  t.after(() => shared.stop())
  const seen = (kind: GatewayEvent['kind']) => events.filter((event) => event.kind === kind)
  return { clock, events, seen, shared, list, loaded }
}

/** Writes the key file, and has it published. */
async function publish(
  { shared }: Pick<ReturnType<typeof startKeys>, 'shared'>,
  path: string,
  generation: number,
) {
  writeFileSync(path, formatKeyFile({ generation, keys }), { mode: 0o600 })
  return shared.shared.publish(parseSignedKeys(signed(generation))!.head)
}

suite('a machine that signs keys and never had any', () => {
  test('reports that there is no key file, until its first keys are published', async (t) => {
    const place = placeOf(t, true)
    const started = startKeys(t, place)
    const { clock, seen } = started
    await settled()
    const missing = { kind: 'keys_missing', file: place.path }
    assert.deepEqual(seen('keys_missing'), [missing])
    await clock.run(60_000)
    assert.deepEqual(seen('keys_missing'), [missing, missing])
    assert.deepEqual(seen('keys_awaited'), [])
    const published = await publish(started, place.path, 1)
    assert.equal(published.kind, 'published')
    await clock.run(200_000)
    assert.equal(seen('keys_missing').length, 2)
  })

  test('awaits the list of the store once the file is there', async (t) => {
    const place = placeOf(t, true)
    const list = new MemoryList()
    list.write(3, signed(3))
    const { clock, seen, shared } = startKeys(t, place, list)
    await settled()
    assert.equal(shared.shared.describe().generation, 0)
    writeFileSync(place.path, formatKeyFile({ generation: 1, keys }), { mode: 0o600 })
    const { generation } = await shared.reload()
    assert.equal(generation, 3)
    await clock.run(200_000)
    assert.equal(seen('keys_missing').length, 1)
  })
})

test('a machine that signs no keys awaits the first list, and misses no file', async (t) => {
  const { clock, seen } = startKeys(t, placeOf(t, false))
  await clock.run(120_000)
  assert.deepEqual([seen('keys_awaited').length, seen('keys_missing').length], [1, 0])
})

suite('a list that a command publishes', () => {
  test('waits for a store that fails, in the words of the store', async (t) => {
    const place = placeOf(t, true)
    const started = startKeys(t, place)
    started.list.fault = new StoreFault('timeout', 'no reply within 2000 ms')
    const published = await publish(started, place.path, 1)
    assert.ok(published.kind === 'published')
    assert.deepEqual([published.generation, published.waitsFor], [1, 'no reply within 2000 ms'])
    assert.deepEqual(started.seen('internal_error'), [])
  })

  test('is in force, and the log has what failed, where the gateway fails to store it', async (t) => {
    const place = placeOf(t, true)
    const started = startKeys(t, place)
    const error = new TypeError('x is not a function')
    started.list.fault = error
    const published = await publish(started, place.path, 1)
    assert.ok(published.kind === 'published')
    assert.deepEqual(
      [published.generation, published.waitsFor],
      [1, 'the gateway failed to store it (its log has the error)'],
    )
    assert.deepEqual(started.seen('internal_error'), [
      { kind: 'internal_error', error, where: 'the keys of the store' },
    ])
  })
})

suite(
  'a fault that stays is reported when it begins, when its reason changes, and every five minutes:',
  () => {
    /** A publisher with a list in force. */
    const startPublisher = async (t: TestContext) => {
      const place = placeOf(t, true)
      const started = startKeys(t, place)
      await publish(started, place.path, 1)
      const { clock, shared, events } = started
      /** As many looks at the store, and what they led to. */
      const pass = async (seconds: number) => {
        for (let count = 0; count < seconds; count++) {
          await clock.run(1_000)
          await shared.reload()
        }
      }
      const notStored = () => events.flatMap((each) => (each.kind === 'keys_not_stored' ? [each.reason] : []))
      return { ...started, pass, notStored }
    }

    test('of a list that cannot be put into the store again, and when it is there', async (t) => {
      const { list, pass, seen, notStored } = await startPublisher(t)
      list.lose()
      list.fault = new TypeError('x is not a function')
      await pass(30)
      assert.ok(list.failures > 10)
      assert.deepEqual(seen('internal_error'), [
        { kind: 'internal_error', error: list.fault, where: 'the keys of the store' },
      ])
      const full = "OOM command not allowed when used memory > 'maxmemory'"
      list.fault = new StoreFault('refused', full, 'OOM')
      await pass(30)
      assert.deepEqual(notStored(), ['x is not a function', full])
      await pass(300)
      assert.deepEqual(notStored(), ['x is not a function', full, full])
      assert.deepEqual(seen('keys_stored'), [])
      list.fault = undefined
      await pass(30)
      assert.deepEqual(seen('keys_stored'), [{ kind: 'keys_stored' }])
      list.lose()
      list.fault = new StoreFault('refused', full, 'OOM')
      await pass(30)
      assert.equal(notStored().length, 4)
      assert.deepEqual(seen('keys_not_accepted'), [])
    })

    test('of one that another gateway puts there meanwhile', async (t) => {
      const { list, pass, seen, notStored } = await startPublisher(t)
      list.lose()
      list.fault = new StoreFault('refused', 'OOM', 'OOM')
      await pass(5)
      assert.deepEqual(notStored(), ['OOM'])
      list.write(2, signed(2))
      await pass(5)
      assert.deepEqual([seen('keys_stored').length, seen('keys_pulled').length], [1, 2])
    })

    test('of a store whose loss is reported elsewhere, nothing', async (t) => {
      const { list, pass, notStored } = await startPublisher(t)
      list.lose()
      list.fault = new StoreFault('timeout', 'no reply within 2000 ms')
      await pass(10)
      assert.ok(list.failures > 3)
      assert.deepEqual(notStored(), [])
    })

    test('of a look that meets a bug', async (t) => {
      const { list, pass, seen } = await startPublisher(t)
      list.readFault = new TypeError('y is not a function')
      const before = list.asked
      await pass(30)
      assert.ok(list.asked - before >= 30)
      assert.equal(seen('internal_error').length, 1)
      await pass(300)
      assert.equal(seen('internal_error').length, 2)
      list.readFault = undefined
      await pass(1)
      list.readFault = new TypeError('y is not a function')
      await pass(30)
      assert.equal(seen('internal_error').length, 3)
    })
  },
)

test('an emergency stop outlives a damaged keys.newest, until another list is published', async (t) => {
  const place = placeOf(t, false)
  const newest = join(place.stateDirectory, 'keys.newest')
  writeFileSync(newest, '{"version":1,"gener')
  const list = new MemoryList()
  list.write(4, signed(4))
  const { shared, seen, loaded } = startKeys(t, place, list)
  assert.deepEqual(loaded.keys, [])
  await settled()
  assert.equal((await shared.reload()).generation, 0)
  assert.equal(shared.shared.describe().isHalted, true)
  assert.match(JSON.stringify(seen('keys_not_accepted')), /keys\.newest is damaged, so publish another one/)
  assert.equal(seen('keys_missing').length, 1)
  await shared.stop()
  assert.equal(JSON.parse(readFileSync(newest, 'utf8')).generation, 4)

  const again = startKeys(t, place, list)
  assert.equal((await again.shared.reload()).generation, 0)
  list.write(5, signed(5))
  assert.equal((await again.shared.reload()).generation, 5)
  await again.shared.stop()
  assert.ok(existsSync(join(place.stateDirectory, 'keys.shared')))
})

test('a reload that comes as a look ends has a look of its own', async (t) => {
  // The promises that wait for the reply are settled one after the other.
  for (let promises = 0; promises < 16; promises++) {
    const list = new MemoryList()
    const reply = Promise.withResolvers<void>()
    list.gate = reply.promise
    const { shared } = startKeys(t, placeOf(t, false), list)
    assert.equal(list.asked, 1)
    let after = reply.promise
    for (let count = 0; count < promises; count++) after = after.then(() => {})
    const reloaded = after.then(async () => {
      const before = list.asked
      await shared.reload()
      return list.asked - before
    })
    reply.resolve()
    assert.equal(await reloaded, 1, `${promises} promises later`)
  }
})
