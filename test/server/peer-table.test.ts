import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer } from 'node:net'
import { suite, test, type TestContext } from 'node:test'

import { type Connection, PeerTable } from '../../src/server/peer-table.ts'
import { unless } from '../support/needs.ts'

const header =
  '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n'

/** A row as the kernel of a little-endian machine writes it. */
function row(local: string, remote: string, uid: number, { inode = 4711, state = '01' } = {}): string {
  const counters = '00000000:00000000 00:00000000 00000000'
  return `   3: ${local} ${remote} ${state} ${counters}  ${uid}        0 ${inode} 1 0000000000000000 20 4 30 10 -1\n`
}

const ours = '0100007F:0FA0'
const theirs = '0100007F:D431'
const mapped = '0000000000000000FFFF00000100007F'
const connection: Connection = {
  localAddress: '127.0.0.1',
  localPort: 4000,
  remoteAddress: '127.0.0.1',
  remotePort: 0xd431,
}

function lookUp(tables: string, asked: Connection = connection) {
  return new PeerTable(() => Promise.resolve(header + tables)).find(asked)
}

suite('the user of a connection', () => {
  test('is the one of the row whose local end is our remote one', async () => {
    const listener = row(ours, '00000000:0000', 1, { state: '0A' })
    const tables = listener + row(ours, theirs, 1501) + row(theirs, ours, 1502)
    assert.deepEqual(await lookUp(tables), { kind: 'found', uid: 1502 })
  })

  test('is never read from our own row', async () => {
    assert.deepEqual(await lookUp(row(ours, theirs, 1501)), { kind: 'absent' })
  })

  test('is found on an IPv6 socket with mapped addresses', async () => {
    const tables = row(`${mapped}:D431`, `${mapped}:0FA0`, 1502)
    assert.deepEqual(await lookUp(tables), { kind: 'found', uid: 1502 })
    const asMapped = { ...connection, localAddress: '::ffff:127.0.0.1', remoteAddress: '::ffff:127.0.0.1' }
    assert.deepEqual(await lookUp(row(theirs, ours, 1502), asMapped), { kind: 'found', uid: 1502 })
  })

  test('is found over IPv6', async () => {
    const one = `${'0'.repeat(24)}01000000`
    const asked = { ...connection, localAddress: '::1', remoteAddress: '::1' }
    const tables = row(`${one}:D431`, `${one}:0FA0`, 1502)
    assert.deepEqual(await lookUp(tables, asked), { kind: 'found', uid: 1502 })
    assert.deepEqual(await lookUp(tables), { kind: 'absent' })
  })

  test('is unknown where the row has lost its socket, which shows as root', async () => {
    assert.deepEqual(await lookUp(row(theirs, ours, 0, { inode: 0, state: '05' })), { kind: 'absent' })
  })

  test('is read behind a row of an earlier connection that has the same ends', async () => {
    const gone = row(theirs, ours, 0, { inode: 0, state: '06' })
    assert.deepEqual(await lookUp(gone + row(theirs, ours, 1502)), { kind: 'found', uid: 1502 })
  })

  test('is not the one of another port or address that begins or ends alike', async () => {
    const others = [
      row('0100007F:D432', ours, 1502),
      row('0200007F:D431', ours, 1502),
      row(theirs, '0100007F:0FA1', 1502),
      row(theirs, '0200007F:0FA0', 1502),
    ]
    assert.deepEqual(await lookUp(others.join('')), { kind: 'absent' })
  })

  test('is looked for once more, because the kernel’s listing may step over a row', async () => {
    const reads = ['', row(theirs, ours, 1502)]
    const table = new PeerTable(() => Promise.resolve(reads.shift()!))
    assert.deepEqual(await table.find(connection), { kind: 'found', uid: 1502 })
    assert.deepEqual(reads, [])
  })

  test('is unreadable, with the cause, where the tables are', async () => {
    const cause = new Error('EACCES: permission denied')
    const table = new PeerTable(() => Promise.reject(cause))
    assert.deepEqual(await table.find(connection), { kind: 'unreadable', cause })
  })

  for (const damaged of [row(theirs, ours, 1).slice(0, 60), `: ${theirs} ${ours} x\n`]) {
    test(`is unknown where the row is cut: ${JSON.stringify(damaged)}`, async () => {
      assert.deepEqual(await lookUp(damaged), { kind: 'absent' })
    })
  }
})

suite('reads of the tables', () => {
  function gatedTable() {
    const reads: PromiseWithResolvers<string>[] = []
    const table = new PeerTable(() => {
      reads.push(Promise.withResolvers<string>())
      return reads.at(-1)!.promise
    })
    const settled = () => new Promise<void>((resolve) => setImmediate(resolve))
    return { table, reads, settled }
  }

  test('are shared by connections that come together, and never run at once', async () => {
    const { table, reads, settled } = gatedTable()
    const first = table.find(connection)
    await settled()
    const later = Array.from({ length: 50 }, () => table.find(connection))
    await settled()
    assert.equal(reads.length, 1)
    reads[0]!.resolve(row(theirs, ours, 1))
    await first
    await settled()
    assert.equal(reads.length, 2)
    reads[1]!.resolve(row(theirs, ours, 2))
    assert.deepEqual(new Set((await Promise.all(later)).map((each) => JSON.stringify(each))).size, 1)
    assert.equal(reads.length, 2)
  })

  test('that had begun before a connection came do not count for it', async () => {
    const { table, reads, settled } = gatedTable()
    const first = table.find(connection)
    await settled()
    const second = table.find(connection)
    reads[0]!.resolve(row(theirs, ours, 1))
    assert.deepEqual(await first, { kind: 'found', uid: 1 })
    await settled()
    reads[1]!.resolve(row(theirs, ours, 2))
    assert.deepEqual(await second, { kind: 'found', uid: 2 })
  })

  test('go on after one that failed', async () => {
    const results = [Promise.reject(new Error('EMFILE')), Promise.resolve(row(theirs, ours, 7))]
    const table = new PeerTable(() => results.shift()!)
    assert.equal((await table.find(connection)).kind, 'unreadable')
    assert.deepEqual(await table.find(connection), { kind: 'found', uid: 7 })
  })
})

suite('this machine’s kernel', { skip: unless(process.platform === 'linux', 'needs Linux') }, () => {
  async function connected(t: TestContext, host: string, target: string) {
    const server = createServer().listen(0, host)
    t.after(() => server.close())
    await once(server, 'listening')
    const client = connect((server.address() as AddressInfo).port, target)
    t.after(() => client.destroy())
    const [socket] = await once(server, 'connection')
    t.after(() => socket.destroy())
    return socket as Connection
  }

  test('tells that a connection of this process belongs to this user', async (t) => {
    const socket = await connected(t, '127.0.0.1', '127.0.0.1')
    assert.deepEqual(await new PeerTable().find(socket), { kind: 'found', uid: process.getuid!() })
  })

  test('tells it of an IPv6 socket with an IPv4 address too', async (t) => {
    const socket = await connected(t, '127.0.0.1', '::ffff:127.0.0.1')
    assert.deepEqual(await new PeerTable().find(socket), { kind: 'found', uid: process.getuid!() })
  })
})
