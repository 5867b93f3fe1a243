// The connection to a shared store, against real servers: in every form of its URL, and while they are killed, stopped,
// emptied and replaced. What a gateway does without it is tested elsewhere.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { suite, test } from 'node:test'
import { promisify } from 'node:util'

import {
  connectStore,
  type ConnectionOptions,
  type StoreConnection,
} from '../../../../src/admission/stores/valkey/connection.ts'
import { readScripts } from '../../../../src/admission/stores/valkey/script-files.ts'
import { StoreFault } from '../../../../src/admission/stores/valkey/store-fault.ts'
import { readStoreUrl } from '../../../../src/config/store-url.ts'
import { issueCertificates } from '../../../support/certificates.ts'
import { soon } from '../../../support/deadline.ts'
import { freePort } from '../../../support/free-port.ts'
import { missing } from '../../../support/needs.ts'
import { redisProgram, type RedisServer, startRedis } from '../../../support/redis.ts'
import type { Cleanup } from '../../../support/scripted-upstream.ts'

const run = promisify(execFile)
const keys = ['{p}:epoch', '{p}:members']

interface Watched {
  readonly store: StoreConnection
  /** Of every change of `isUp`. */
  readonly faults: (string | undefined)[]
  /** Resolves when it is up, or down with such a fault. */
  readonly until: (isMet: (fault: string | undefined) => boolean) => Promise<void>
}

async function connectTo(
  t: Cleanup,
  url: string,
  options: Partial<ConnectionOptions> = {},
): Promise<Watched> {
  const found = readStoreUrl(url, 'env URL')
  assert.ok(found.kind === 'read', found.kind === 'refused' ? found.message : '')
  const store = await connectStore({
    endpoint: found.endpoint,
    ca: undefined,
    prefix: 'p',
    member: { machine: 'm1', process: '1', host: 'box', version: '1.0.0' },
    schema: 1,
    leaseMs: 3000,
    setTimer(fn, delayMs) {
      const timer = setTimeout(fn, delayMs)
      return () => clearTimeout(timer)
    },
    chance: () => 0,
    ...options,
  })
  t.after(() => store.close())
  const faults: (string | undefined)[] = []
  const waiting = new Set<() => void>()
  store.onChange = () => {
    faults.push(store.fault)
    for (const look of waiting) look()
  }
  const until = (isMet: (fault: string | undefined) => boolean) =>
    soon(
      new Promise<void>((resolve) => {
        const look = () => {
          if (!isMet(store.fault)) return
          waiting.delete(look)
          clearInterval(timer)
          resolve()
        }
        waiting.add(look)
        // A fault may become another one while it is down, which is no change.
        const timer = setInterval(look, 5)
        look()
      }),
      () => `a change of the connection, whose fault is ${store.fault}`,
    )
  return { store, faults, until }
}

const isUp = (fault: string | undefined) => fault === undefined
const isDown = (fault: string | undefined) => fault !== undefined

/** A command that changes nothing that matters. */
function ask(store: StoreConnection, timeoutMs?: number): Promise<unknown> {
  return store.run('leave', keys, ['other.1', '{}'], timeoutMs)
}

function rejected(run: Promise<unknown>): Promise<StoreFault> {
  return run.then(
    () => assert.fail('it ran'),
    (error: unknown) => {
      assert.ok(error instanceof StoreFault, String(error))
      return error
    },
  )
}

suite('a connection to a store', { skip: missing(redisProgram, 'openssl') }, () => {
  test('joins before anything else, and leaves at its end', async (t) => {
    const server = await startRedis(t)
    const { store, faults, until } = await connectTo(t, server.url)
    assert.equal((await rejected(ask(store))).kind, 'down')
    await until(isUp)
    assert.match(store.joined!.version, /^(?:Redis|Valkey) \d/)
    assert.equal(store.joined!.members, 1)
    assert.equal(store.joined!.evictionPolicy, undefined)
    const runId = /run_id:(\w+)/.exec(await server.command('INFO', 'server'))![1]
    assert.equal(await server.command('HGET', keys[0]!, 'run_id'), runId)
    assert.equal(typeof (await ask(store)), 'number')
    await store.close()
    assert.deepEqual(faults, [undefined, 'closed'])
    const member = JSON.parse(await server.command('HGET', keys[1]!, 'm1.1')) as Record<string, unknown>
    assert.equal(member['host'], 'box')
    assert.equal(typeof member['left'], 'number')
    assert.equal((await rejected(ask(store))).kind, 'down')
  })

  test('may lead to a Unix socket, with a password, to another database', async (t) => {
    const server = await startRedis(t, { config: ['requirepass s3/cret:@'] })
    const url = `unix://:s3%2Fcret%3A%40@${server.socketPath}?db=2`
    const { until } = await connectTo(t, url)
    await until(isUp)
    assert.match(await server.commandAs('s3/cret:@', 'INFO', 'keyspace'), /^db2:keys=2/m)
  })

  test('may log in as a user who may use its keys only', async (t) => {
    const rules = '~{p}:* &{p}:* +@all -@dangerous +info'
    const server = await startRedis(t, { config: [`user ann on >pw ${rules}`, 'user default off'] })
    const { store, until } = await connectTo(t, server.url.replace('//', '//ann:pw@'))
    await until(isUp)
    assert.equal(typeof (await ask(store)), 'number')
  })

  for (const [what, login, said] of [
    ['a wrong password', 'ann:wrong-Passw0rd@', /cannot log in: WRONGPASS/],
    ['no password', '', /NOAUTH/],
  ] as const) {
    test(`is down with ${what}, which it does not repeat`, async (t) => {
      const server = await startRedis(t, { config: ['requirepass right'] })
      const { store, until } = await connectTo(t, server.url.replace('//', `//${login}`))
      await until((fault) => said.test(fault ?? ''))
      assert.doesNotMatch(store.fault!, /wrong-|\bann\b/)
    })
  }

  test('does not repeat the password of a server that does so, because it knows no AUTH', async (t) => {
    const server = await startRedis(t, { config: ['rename-command AUTH ""'] })
    const echoed = await server.command('AUTH', 'ann', 's3cret-Passw0rd')
    assert.match(echoed, /s3cret-Passw0rd/)
    const { store, until } = await connectTo(t, server.url.replace('//', '//ann:s3cret-Passw0rd@'))
    await until((fault) => /cannot log in: ERR/.test(fault ?? ''))
    assert.doesNotMatch(store.fault!, /s3cret|\bann\b/)
  })

  test('has no password on stderr with DEBUG set, which the library would print commands for', async (t) => {
    const server = await startRedis(t, { config: ['requirepass s3cret-Passw0rd'] })
    const client = new URL('../../../../src/admission/stores/valkey/client.ts', import.meta.url).href
    const code = `const { openClient } = await import(${JSON.stringify(client)})
      const client = await openClient({ host: '127.0.0.1', port: ${server.port} }, { isEncrypted: false })
      console.log(await client.call('AUTH', process.env.PASSWORD))
      client.disconnect()`
    const env = { ...process.env, DEBUG: '*', PASSWORD: 's3cret-Passw0rd' }
    const options = { env, timeout: 20_000 }
    const { stdout, stderr } = await run(process.execPath, ['--input-type=module', '-e', code], options)
    assert.equal(stdout, 'OK\n')
    assert.equal(stderr, '')
  })

  test('ends at once while a server that says nothing is being asked', async (t) => {
    const silent = createServer().listen(0, '127.0.0.1')
    await once(silent, 'listening')
    const reached = once(silent, 'connection') as Promise<[Socket]>
    const { port } = silent.address() as AddressInfo
    // No deadline ever comes.
    const { store } = await connectTo(t, `redis://127.0.0.1:${port}`, { setTimer: () => () => {} })
    const [socket] = await reached
    t.after(() => {
      socket.destroy()
      silent.close()
    })
    await store.close()
    assert.equal(store.fault, 'closed')
  })

  test('is encrypted, and the certificate of the server is verified', async (t) => {
    const { ca, ...tls } = issueCertificates(t, '127.0.0.1')
    const server = await startRedis(t, { tls: { ...tls, ca: ca.file } })
    const { store, until } = await connectTo(t, server.url, { ca: ca.pem })
    await until(isUp)
    assert.equal(typeof (await ask(store)), 'number')
    assert.equal(await server.command('HEXISTS', keys[1]!, 'm1.1'), '1')
  })

  for (const [what, name, isOwnCa] of [
    ['signed by somebody else', '127.0.0.1', false],
    ['of another name', 'other.example', true],
  ] as const) {
    test(`is refused a certificate ${what}`, async (t) => {
      const { ca, ...tls } = issueCertificates(t, name)
      const server = await startRedis(t, { tls: { ...tls, ca: ca.file }, config: ['requirepass secret'] })
      const trusted = isOwnCa ? ca.pem : issueCertificates(t, name).ca.pem
      const { store, until } = await connectTo(t, server.url.replace('//', '//:secret@'), { ca: trusted })
      await until((fault) => /the certificate of the server is not accepted/.test(fault ?? ''))
      assert.equal(store.joined, undefined)
      assert.match(await server.commandAs('secret', 'INFO', 'commandstats'), /^(?!.*cmdstat_eval)/s)
    })
  }

  test('comes back after the server was killed, and joins its new run', async (t) => {
    const server = await startRedis(t)
    const { store, faults, until } = await connectTo(t, server.url)
    await until(isUp)
    await server.kill()
    await until(isDown)
    assert.match(store.fault!, /^127\.0\.0\.1:\d+: |ECONNREFUSED/)
    assert.equal((await rejected(ask(store))).kind, 'down')
    await server.restart()
    await until(isUp)
    const runId = /run_id:(\w+)/.exec(await server.command('INFO', 'server'))![1]
    assert.equal(await server.command('HGET', keys[0]!, 'run_id'), runId)
    assert.equal(faults.length, 3)
  })

  test('is down with the first command that a stopped server does not answer, until it goes on', async (t) => {
    const server = await startRedis(t)
    const { store, until } = await connectTo(t, server.url)
    await until(isUp)
    server.pause()
    const runs = [ask(store), ask(store)].map(rejected)
    assert.equal((await runs[0]!).kind, 'timeout')
    assert.equal((await runs[1]!).kind, 'timeout')
    assert.equal(store.isUp, false)
    assert.match(store.fault!, /no reply within 100 ms$/)
    assert.equal((await rejected(ask(store))).kind, 'down')
    server.resume()
    await until(isUp)
    assert.equal(typeof (await ask(store)), 'number')
  })

  test('gives up a connection over which nothing comes, and makes another one', async (t) => {
    const server = await startRedis(t)
    const { store, until } = await connectTo(t, server.url)
    await until(isUp)
    server.pause()
    await until((fault) => /no reply within 2000 ms/.test(fault ?? ''))
    server.resume()
    await until(isUp)
    assert.equal(typeof (await ask(store)), 'number')
  })

  test('gives the server its scripts again', async (t) => {
    const server = await startRedis(t)
    const { store, faults, until } = await connectTo(t, server.url)
    await until(isUp)
    await server.command('SCRIPT', 'FLUSH')
    const replies = await Promise.all([ask(store), ask(store), ask(store)])
    assert.deepEqual(
      replies.map((reply) => typeof reply),
      ['number', 'number', 'number'],
    )
    const { hash } = readScripts().get('leave')!
    assert.equal(await server.command('SCRIPT', 'EXISTS', hash), '1')
    assert.deepEqual(faults, [undefined])
  })

  test('passes what a script is refused with, and stays up', async (t) => {
    const server = await startRedis(t)
    const { store, until } = await connectTo(t, server.url)
    await until(isUp)
    const { kind, message } = await rejected(store.run('leave', keys, ['other.1', 'no JSON']))
    assert.equal(kind, 'refused')
    assert.doesNotMatch(message, /other\.1/)
    assert.equal(store.isUp, true)
  })

  test('is down while the store is used by newer gateways', async (t) => {
    const server = await startRedis(t)
    await server.command('HSET', keys[0]!, 'schema', 7)
    const { until } = await connectTo(t, server.url)
    await until((fault) => /OUTDATED .* schema 7/.test(fault ?? ''))
  })

  test('is down while the server has no memory left, and says which keys it may delete', async (t) => {
    const server = await startRedis(t, { config: ['maxmemory 1', 'maxmemory-policy noeviction'] })
    const { until } = await connectTo(t, server.url)
    await until((fault) => /OOM/.test(fault ?? ''))
    const full = await startRedis(t, { config: ['maxmemory 100mb', 'maxmemory-policy allkeys-lru'] })
    const evicting = await connectTo(t, full.url)
    await evicting.until(isUp)
    assert.equal(evicting.store.joined!.evictionPolicy, 'allkeys-lru')
  })

  test('is down with a replica', async (t) => {
    const server = await startRedis(t, { config: ['replicaof 127.0.0.1 1'] })
    const { until } = await connectTo(t, server.url)
    await until((fault) => /is a replica/.test(fault ?? ''))
  })

  test('brings messages of its channel, also after the server has come back', async (t) => {
    const server = await startRedis(t)
    const { store, until } = await connectTo(t, server.url)
    await until(isUp)
    for (const round of ['first', 'second']) {
      const got = new Promise<string>((resolve) => (store.onNews = resolve))
      while ((await server.command('PUBSUB', 'NUMSUB', '{p}:news')) !== '{p}:news\n1') await pause()
      await server.command('PUBLISH', '{p}:news', round)
      assert.equal(await soon(got, () => 'the message'), round)
      if (round === 'second') break
      await server.kill()
      await server.restart()
      await until(isUp)
    }
  })

  test('sends what is asked in one turn together', async (t) => {
    const server = await startRedis(t)
    const chunks: string[] = []
    const relay = createServer((client) => {
      const toServer = connect(server.port, '127.0.0.1')
      client.on('data', (chunk: Buffer) => {
        chunks.push(String(chunk))
        toServer.write(chunk)
      })
      toServer.on('data', (chunk: Buffer) => client.write(chunk))
      client.on('close', () => toServer.destroy())
      for (const socket of [client, toServer]) socket.on('error', () => {})
    }).listen(0, '127.0.0.1')
    t.after(() => relay.close())
    await once(relay, 'listening')
    const { store, until } = await connectTo(t, `redis://127.0.0.1:${(relay.address() as AddressInfo).port}`)
    await until(isUp)
    chunks.length = 0
    const { hash } = readScripts().get('leave')!
    await Promise.all(Array.from({ length: 20 }, () => ask(store)))
    const counts = chunks.map((chunk) => chunk.split(hash).length - 1).filter((count) => count > 0)
    assert.deepEqual(counts, [20])
  })

  for (const [what, info, said] of [
    [
      'an old Redis',
      'redis_version:6.2.14\r\nrun_id:abc',
      /is Redis 6\.2\.14: at least Redis 7\.0 or Valkey 7\.2/,
    ],
    [
      'an old Valkey',
      'redis_version:7.1.0\r\nvalkey_version:7.1.0\r\nrun_id:abc',
      /is Valkey 7\.1\.0: at least/,
    ],
    ['another program', 'hello:1', /neither Valkey nor Redis/],
  ] as const) {
    test(`is refused with ${what}`, async (t) => {
      const port = await fakeServer(t, info)
      const { until } = await connectTo(t, `redis://127.0.0.1:${port}`)
      await until((fault) => said.test(fault ?? ''))
    })
  }

  test('asks Sentinels for the server, and follows a failover', async (t) => {
    const master = await startRedis(t)
    const replica = await startRedis(t, { config: [`replicaof 127.0.0.1 ${master.port}`] })
    while (!(await replica.command('INFO', 'replication')).includes('master_link_status:up')) await pause()
    const sentinel = await startRedis(t, {
      isSentinel: true,
      config: [
        `sentinel monitor main 127.0.0.1 ${master.port} 1`,
        'sentinel down-after-milliseconds main 300',
        'sentinel failover-timeout main 3000',
      ],
    })
    while (!(await sentinel.command('SENTINEL', 'REPLICAS', 'main')).includes(String(replica.port)))
      await pause()
    const unused = await freePort()
    const url = `redis+sentinel://127.0.0.1:${unused},127.0.0.1:${sentinel.port}/main`
    const { until } = await connectTo(t, url)
    await until(isUp)
    const before = await master.command('HGET', keys[0]!, 'run_id')
    await master.kill()
    await until(isDown)
    await until(isUp)
    const after = await replica.command('HGET', keys[0]!, 'run_id')
    assert.notEqual(after, before)
    assert.match(await replica.command('INFO', 'server'), new RegExp(`run_id:${after}`))

    const other = await connectTo(t, `redis+sentinel://127.0.0.1:${sentinel.port}/other`)
    await other.until((fault) => /knows no master "other"/.test(fault ?? ''))
  })

  test('finds the node of a cluster that has its keys, also after they have moved', async (t) => {
    const nodes = await Promise.all(
      [0, 1, 2].map(() => startRedis(t, { config: ['cluster-enabled yes', 'cluster-node-timeout 2000'] })),
    )
    const [first, ...others] = nodes as [RedisServer, RedisServer, RedisServer]
    const bounds = [0, 5461, 10_923, 16_384]
    for (const [index, node] of nodes.entries()) {
      await node.command('CLUSTER', 'ADDSLOTSRANGE', bounds[index]!, bounds[index + 1]! - 1)
      if (node !== first) await node.command('CLUSTER', 'MEET', '127.0.0.1', first.port)
    }
    for (const node of nodes) {
      while (!(await node.command('CLUSTER', 'INFO')).includes('cluster_state:ok')) await pause()
    }
    const slot = await first.command('CLUSTER', 'KEYSLOT', keys[0]!)
    const owner = nodes[bounds.findLastIndex((bound) => bound <= Number(slot))]!
    const asked = nodes.find((node) => node !== owner)!
    const { store, until } = await connectTo(t, `redis+cluster://127.0.0.1:${asked.port}`)
    await until(isUp)
    assert.equal(typeof (await ask(store)), 'number')
    assert.equal(await owner.command('HEXISTS', keys[1]!, 'm1.1'), '1')

    const alone = await connectTo(t, owner === first ? others[0].url : first.url)
    await alone.until((fault) => /is a node of a cluster: write the URL with \+cluster/.test(fault ?? ''))
    const plain = await startRedis(t)
    const wrong = await connectTo(t, plain.url.replace('://', '+cluster://'))
    await wrong.until((fault) => /cluster support disabled/.test(fault ?? ''))

    // To another node, without what was in the slot.
    const id = await asked.command('CLUSTER', 'MYID')
    await owner.command('DEL', ...keys)
    for (const node of nodes) await node.command('CLUSTER', 'SETSLOT', slot, 'NODE', id)
    while ((await asked.command('EXISTS', keys[0]!)) !== '1') await pause()
    await until(isUp)
    assert.match(
      await asked.command('INFO', 'server'),
      new RegExp(`run_id:${await asked.command('HGET', keys[0]!, 'run_id')}`),
    )
  })

  test('goes to no server elsewhere without TLS, whoever names it', async (t) => {
    const sentinel = await startRedis(t, {
      isSentinel: true,
      config: ['sentinel monitor main 192.0.2.1 6379 1'],
    })
    const { until } = await connectTo(t, `redis+sentinel://127.0.0.1:${sentinel.port}/main`)
    await until((fault) =>
      /the server is 192\.0\.2\.1:6379, where commands would go unencrypted/.test(fault ?? ''),
    )
  })
})

function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 10))
}

/** Answers every command with this. @returns its port. */
async function fakeServer(t: Cleanup, info: string): Promise<number> {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.on('data', () => socket.write(`$${info.length}\r\n${info}\r\n`))
  }).listen(0, '127.0.0.1')
  t.after(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}
