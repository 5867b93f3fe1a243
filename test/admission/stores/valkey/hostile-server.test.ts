// Whoever sits on the port of the store may send anything: nothing of it may fill the memory, end the process, or be used.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { suite, test } from 'node:test'
import { connectStore, type StoreConnection } from '../../../../src/admission/stores/valkey/connection.ts'
import { exchangeArguments } from '../../../../src/admission/stores/valkey/exchange.ts'
import { StoreFault } from '../../../../src/admission/stores/valkey/store-fault.ts'
import { readStoreUrl } from '../../../../src/config/store-url.ts'
import type { SetTimer } from '../../../../src/platform/clock.ts'
import { soon, until } from '../../../support/deadline.ts'
import type { Cleanup } from '../../../support/scripted-upstream.ts'
import { type Answer, bulk, nameOf, startScripted } from './scripted-server.ts'

const realTimer: SetTimer = (fn, delayMs) => {
  const timer = setTimeout(fn, delayMs)
  return () => clearTimeout(timer)
}

interface Watched {
  readonly store: StoreConnection
  /** Of each change of `isUp`. */
  readonly faults: (string | undefined)[]
}

async function connectTo(t: Cleanup, url: string, setTimer = realTimer): Promise<Watched> {
  const found = readStoreUrl(url, 'env URL')
  assert.ok(found.kind === 'read', found.kind)
  const store = await connectStore({
    endpoint: found.endpoint,
    ca: undefined,
    prefix: 'p',
    member: { machine: 'm1', process: '1', host: 'box', version: '1.0.0' },
    schema: 1,
    leaseMs: 3000,
    setTimer,
    chance: () => 0,
  })
  t.after(() => store.close())
  const faults: (string | undefined)[] = []
  store.onChange = () => faults.push(store.fault)
  return { store, faults }
}

/** Replies to one command or script with these bytes. */
const answering =
  (name: string, reply: string | Buffer): Answer =>
  (command) =>
    nameOf(command) === name ? reply : undefined

const isUp = (store: StoreConnection) => until(() => store.isUp, 'the connection')

function rejected(run: Promise<unknown>): Promise<StoreFault> {
  return run.then(
    (reply) => assert.fail(`it resolved with ${JSON.stringify(reply)}`),
    (error: unknown) => {
      assert.ok(error instanceof StoreFault, String(error))
      return error
    },
  )
}

suite('a server that sends what is no reply', () => {
  for (const [what, reply, said] of [
    [
      'a text that is announced as longer than any',
      '$999999999\r\naaaa',
      /a reply of more than 33554432 bytes/,
    ],
    ['a list that is announced as longer than any', '*4294967295\r\n', /a reply of more than 262144 values/],
    ['a list of a length that is none', '*99999999999999999999\r\n', /a number that is none/],
    ['lists in lists', '*1\r\n'.repeat(10_000), /lists in lists, more than 8 deep/],
    ['a long list of long lists', '*200000\r\n'.repeat(2), /a reply of more than 262144 values/],
    ['a line without an end', `+${'a'.repeat(200_000)}`, /a line of more than 65536 bytes/],
    ['a number without an end', `:${'1'.repeat(10_000)}`, /a number that is none/],
    ['a fraction', ':1e308\r\n', /a number that is none/],
    ['a length below 0', '$-5\r\n', /a length below 0/],
    ['a line with two ends', '+O\rK\r\n', /ends in the middle/],
    ['a line without a carriage return', '+OK\n', /ends in the middle/],
    ['a later protocol', '%1\r\n+a\r\n+b\r\n', /does not speak RESP/],
    ['pushed messages', '>2\r\n+a\r\n+b\r\n', /does not speak RESP/],
    ['another protocol', 'HTTP/1.1 400 Bad Request\r\n\r\n', /does not speak RESP/],
    [
      'more replies than it was asked for',
      '*4\r\n:1\r\n:0\r\n:1\r\n:1\r\n$-1\r\n$-1\r\n',
      /nothing that was asked/,
    ],
  ] as const) {
    test(`is away, and the connection ends: ${what}`, async (t) => {
      const server = await startScripted(t, answering('join', reply))
      const { store } = await connectTo(t, server.url)
      await until(() => said.test(store.fault ?? ''), 'the fault')
      assert.match(
        store.fault!,
        /^127\.0\.0\.1:\d+: the server is none that can be used: it sent|it does not/,
      )
      await until(() => server.sockets.every(({ destroyed }) => destroyed), 'the end of the connection')
      assert.equal(server.sockets.length, 1)
    })
  }

  test('has no more read of it than a reply may have', async (t) => {
    const mebibyte = bulk('a'.repeat(1024 * 1024))
    let sent = 0
    const pour = (socket: Socket) => {
      while (!socket.destroyed && socket.write(mebibyte)) sent += 1
      if (!socket.destroyed) socket.once('drain', () => pour(socket))
    }
    const server = await startScripted(t, (command, socket) => {
      if (nameOf(command) !== 'join') return undefined
      setImmediate(pour, socket)
      return '*100000\r\n'
    })
    const { store } = await connectTo(t, server.url)
    await until(() => /more than 33554432 bytes/.test(store.fault ?? ''), 'the fault')
    await until(() => server.sockets[0]!.destroyed, 'the end of the connection')
    // What lies in the buffers of both sockets was sent as well.
    assert.ok(sent >= 16 && sent < 64, `${sent} MiB`)
  })
})

suite('a server whose replies to scripts are none', () => {
  const keys = ['{p}:epoch', '{p}:x', '{p}:y', '{p}:z', '{p}:members']
  const exchange = exchangeArguments('m', 'news', [
    {
      number: 1,
      nextMs: undefined,
      leaves: false,
      dimensions: [{ limit: 10, lingerMs: 0, held: 2, used: 1, wanted: 3, needed: 1 }],
    },
  ])
  const texts = (...each: readonly (string | number)[]) =>
    `*${each.length}\r\n${each.map((one) => (typeof one === 'number' ? `:${one}\r\n` : bulk(one))).join('')}`
  /** Of one scope. */
  const one = (...each: readonly (string | number)[]) => `*1\r\n${texts(...each)}`
  const digest = bulk('')
  for (const [script, args, replies] of [
    ['answer', [], ['$-1\r\n', '+yes\r\n', ':1\r\n']],
    ['ask', [], ['$-1\r\n', ':2\r\n']],
    ['collect', [0], [':1\r\n', '*0\r\n']],
    [
      'exchange',
      exchange,
      [
        '$-1\r\n',
        '*0\r\n',
        '*1\r\n$-1\r\n',
        '*2\r\n*0\r\n*0\r\n',
        one('failed'),
        one('ok', 1, '-1'),
        texts('ok', 1, '-1'),
        one('ok', 1, '-1', '6', '0', '0', '-1'),
        one('ok', 1, '-1', '1', '0', '0', '-1'),
        one('ok', 1, '-1', '1e308', '0', '0', '-1'),
        one('ok', 1, '-1', 'nan', '0', '0', '-1'),
        one('ok', 1, '-1', '5', '-1', '0', '-1'),
        one('ok', 0, '-1', '5', '0', '0', '-1'),
        one('ok', 1, '-1', '5', '0', '0', '-1', '5', '0', '0', '-1'),
        one('stale', '-1'),
        one('stale', '99999999999999999'),
        one('yes', 1, '-1', '5', '0', '0', '-1'),
      ],
    ],
    ['forget', [], ['$-1\r\n', '*0\r\n', texts('-1', 0), texts('7', -1), texts('x', 1)]],
    ['leave', [], ['$-1\r\n', ':-1\r\n', '+OK\r\n']],
    ['look', [], ['$-1\r\n', '*1\r\n:1\r\n', '*5\r\n:1\r\n*1\r\n$1\r\na\r\n*0\r\n*0\r\n*0\r\n']],
    [
      'publish-keys',
      [],
      ['$-1\r\n', texts('gone', 1, ''), texts('stored', -1, ''), `*3\r\n${bulk('more')}:1\r\n$-1\r\n`],
    ],
    [
      'read-keys',
      [1, 'm', 0, '', 0, 4],
      [
        '$-1\r\n',
        '*0\r\n',
        texts('x', 1, '', 1, 1, ''),
        texts(1, 1, '', 1, 1, 'abcde'),
        texts(-1, 1, '', 1, 1, ''),
        `*6\r\n:1\r\n:1\r\n${digest}:1\r\n:1\r\n*0\r\n`,
      ],
    ],
    ['read-question', [], [':1\r\n', '*0\r\n']],
  ] as const) {
    for (const reply of replies) {
      test(`is away: ${script}, ${JSON.stringify(reply).slice(0, 60)}`, async (t) => {
        const server = await startScripted(t, answering(script, reply))
        const { store, faults } = await connectTo(t, server.url)
        await isUp(store)
        const { kind, message } = await rejected(store.run(script, keys, args))
        assert.equal(kind, 'garbled')
        assert.match(message, new RegExp(`^its reply to ${script} is .* that this script does not return`))
        assert.equal(store.isUp, false)
        await until(() => server.sockets[0]!.destroyed, 'the end of the connection')
        assert.deepEqual(
          faults.map((fault) => fault?.replace(/^.*?: /, '')),
          [undefined, message],
        )
      })
    }
  }

  for (const reply of [
    '$-1\r\n',
    ':1\r\n',
    '*0\r\n',
    '*4\r\n:1\r\n:0\r\n:1\r\n:0\r\n',
    '*4\r\n:-1\r\n:0\r\n:1\r\n:1\r\n',
  ]) {
    test(`is not joined: ${JSON.stringify(reply)}`, async (t) => {
      const server = await startScripted(t, answering('join', reply))
      const { store, faults } = await connectTo(t, server.url)
      await until(() => /its reply to join is /.test(store.fault ?? ''), 'the fault')
      assert.equal(store.joined, undefined)
      assert.deepEqual(faults, [])
    })
  }

  test('is left alone for longer each time, so that it does not come and go', async (t) => {
    const pauses: number[] = []
    const server = await startScripted(t, answering('read-question', ':1\r\n'))
    const { store, faults } = await connectTo(t, server.url, (fn, delayMs) => {
      if (delayMs < 5_000 || delayMs === 60_000) return realTimer(fn, delayMs)
      pauses.push(delayMs)
      return realTimer(fn, 0)
    })
    for (let count = 1; count <= 4; count += 1) {
      await isUp(store)
      await rejected(store.run('read-question', keys, []))
      await until(() => pauses.length === count, 'the pause')
    }
    assert.deepEqual(pauses, [5_000, 10_000, 20_000, 40_000])
    assert.equal(faults.filter((fault) => fault !== undefined).length, 4)
  })
})

suite('a server that answers with errors while it is used', () => {
  for (const code of [
    'ASK',
    'CLUSTERDOWN',
    'LOADING',
    'MASTERDOWN',
    'MOVED',
    'NOAUTH',
    'NOPERM',
    'READONLY',
  ]) {
    test(`is looked for again: ${code}`, async (t) => {
      let isHealed = false
      const server = await startScripted(t, (command) =>
        nameOf(command) === 'leave' && !isHealed ? `-${code} 3999 127.0.0.1:6381\r\n` : undefined,
      )
      const { store, faults } = await connectTo(t, server.url)
      await isUp(store)
      const fault = await rejected(store.run('leave', [], []))
      assert.equal(fault.code, code)
      assert.equal(store.isUp, false)
      isHealed = true
      await isUp(store)
      assert.equal(await store.run('leave', [], []), 1_700_000_000_000)
      assert.equal(server.sockets[0]!.destroyed, true)
      assert.equal(faults.length, 3)
    })
  }

  for (const code of ['BUSY', 'ERR', 'MISCONF', 'NOREPLICAS', 'OOM', 'TRYAGAIN', 'WRONGTYPE', '']) {
    test(`is there: ${code === '' ? 'an error without a text' : code}`, async (t) => {
      const server = await startScripted(t, answering('look', `-${code}\r\n`))
      const { store, faults } = await connectTo(t, server.url)
      await isUp(store)
      assert.equal((await rejected(store.run('look', [], []))).kind, 'refused')
      assert.deepEqual(faults, [undefined])
    })
  }

  test('has its texts printed without what moves a terminal, and without the password', async (t) => {
    const server = await startScripted(t, (command) =>
      nameOf(command) === 'join' ? `-ERR \u001b[2J\u202e of s3cret-Passw0rd\r\n` : undefined,
    )
    const { store } = await connectTo(t, server.url.replace('//', '//:s3cret-Passw0rd@'))
    await until(() => / ERR /.test(store.fault ?? ''), 'the fault')
    assert.match(store.fault!, /ERR \\u001b\[2J\\u202e of \[secret\]$/)
  })
})

suite('a Sentinel, or a node of a cluster, that names no server', () => {
  for (const [topology, name, reply, said] of [
    ['sentinel', 'SENTINEL', '*-1\r\n', /knows no master "main"/],
    ['sentinel', 'SENTINEL', ':1\r\n', /its reply has none/],
    ['sentinel', 'SENTINEL', '*2\r\n$1\r\nx\r\n$5\r\n99999\r\n', /its reply has none/],
    ['sentinel', 'SENTINEL', '*2\r\n$3\r\na b\r\n$4\r\n6379\r\n', /its reply has none/],
    ['cluster', 'CLUSTER', '$-1\r\n', /its reply has none/],
    ['cluster', 'CLUSTER', '*1\r\n*0\r\n', /no node of the cluster/],
    ['cluster', 'CLUSTER', ':1\r\n', /its reply has none/],
  ] as const) {
    test(`is no way to one: ${name} ${JSON.stringify(reply)}`, async (t) => {
      const server = await startScripted(t, answering(name, reply))
      const path = topology === 'sentinel' ? '/main' : ''
      const { store } = await connectTo(t, `${server.url.replace('redis', `redis+${topology}`)}${path}`)
      await until(() => said.test(store.fault ?? ''), 'the fault')
      assert.equal(store.joined, undefined)
    })
  }
})

suite('a server that sends bytes slowly', () => {
  test('is away, and is given up after a while', async (t) => {
    const timers = new Set<NodeJS.Timeout>()
    t.after(() => timers.forEach((timer) => clearInterval(timer)))
    const server = await startScripted(t, (command, socket) => {
      if (nameOf(command) !== 'leave') return undefined
      timers.add(setInterval(() => socket.write('1'), 10))
      return ':'
    })
    const { store } = await connectTo(t, server.url)
    await isUp(store)
    assert.match(
      (await rejected(store.run('leave', [], []))).message,
      /no reply within|a number that is none/,
    )
    await until(() => server.sockets[0]!.destroyed, 'the end of the connection')
  })
})

suite('a server that sends no news but something else', () => {
  for (const reply of [
    ':1\r\n',
    '$-1\r\n',
    '+\r\n',
    '*0\r\n',
    '*-1\r\n',
    '*1\r\n$7\r\nmessage\r\n',
    '*3\r\n$-1\r\n$-1\r\n$-1\r\n',
    '*3\r\n$9\r\nsubscribe\r\n$-1\r\n:1\r\n',
    '*3\r\n$9\r\nsubscribe\r\n*0\r\n:1\r\n',
    '*3\r\n$8\r\npmessage\r\n$1\r\na\r\n$1\r\nb\r\n',
    '*3\r\n$7\r\nmessagx\r\n$1\r\na\r\n$1\r\nb\r\n',
    '*3\r\n:1\r\n:1\r\n:1\r\n',
    '*3\r\n-ERR\r\n$1\r\na\r\n$1\r\nb\r\n',
    '*4\r\n$8\r\npmessage\r\n$1\r\na\r\n$1\r\nb\r\n$-1\r\n',
    '-ERR no\r\n',
  ]) {
    for (const when of ['at first', 'afterwards'] as const) {
      test(`ends that connection alone: ${JSON.stringify(reply)} ${when}`, async (t) => {
        const server = await startScripted(t, (command) => {
          if (nameOf(command) !== 'SUBSCRIBE') return undefined
          return when === 'at first' ? reply : `*3\r\n$9\r\nsubscribe\r\n${bulk(command[1]!)}:1\r\n${reply}`
        })
        const { store, faults } = await connectTo(t, server.url)
        await isUp(store)
        await until(() => server.asked.has('SUBSCRIBE'), 'the subscription')
        const isLawful = reply.startsWith('-') && when === 'afterwards'
        if (!isLawful) await until(() => server.sockets[1]!.destroyed, 'the end of the connection')
        assert.equal(await store.run('leave', [], []), 1_700_000_000_000)
        assert.deepEqual(faults, [undefined])
      })
    }
  }

  test('has all of its messages read, however many they are', async (t) => {
    const message = (text: string) => `*3\r\n$7\r\nmessage\r\n${bulk('{p}:news')}${bulk(text)}`
    const server = await startScripted(t, () => undefined)
    const { store } = await connectTo(t, server.url)
    let count = 0
    const { promise: last, resolve } = Promise.withResolvers<void>()
    store.onNews = (text) => {
      count += 1
      if (text === 'last') resolve()
    }
    await isUp(store)
    await until(() => server.asked.has('SUBSCRIBE'), 'the subscription')
    const socket = server.sockets[1]!
    if (!socket.write(message('freed x y').repeat(15_000) + message('last'))) await once(socket, 'drain')
    await soon(last, () => 'the last message')
    assert.equal(count, 15_001)
  })
})
