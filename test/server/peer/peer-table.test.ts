import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer } from 'node:net'
import { suite, test, type TestContext } from 'node:test'

import { type Connection, PeerTable } from '../../../src/server/peer/peer-table.ts'
import { unless } from '../../support/needs.ts'
import { tableHeader, tableOf, tableRow as row } from '../../support/socket-tables.ts'

const ours = '0100007F:0FA0'
const theirs = '0100007F:D431'
const mapped = '0000000000000000FFFF00000100007F'
const connection: Connection = {
  localAddress: '127.0.0.1',
  localPort: 4000,
  remoteAddress: '127.0.0.1',
  remotePort: 0xd431,
}

/** No row of one table is ever taken for one of the other: both have them all. */
function lookUp(rows: string, asked: Connection = connection) {
  const table = tableOf(tableHeader + rows)
  return new PeerTable({ tcp: table, tcp6: table }).find(asked)
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

  /** Tells which tables were read, in their order. */
  function countingTables(tcpReads: string[], tcp6Reads: string[]) {
    const opened: string[] = []
    const next = (name: string, reads: string[]) => () => {
      opened.push(name)
      return tableOf(reads.shift() ?? '')()
    }
    return { tables: { tcp: next('tcp', tcpReads), tcp6: next('tcp6', tcp6Reads) }, opened }
  }

  test('is looked for once more, because the kernel’s listing may step over a row', async () => {
    const { tables, opened } = countingTables(['', row(theirs, ours, 1502)], [''])
    assert.deepEqual(await new PeerTable(tables).find(connection), { kind: 'found', uid: 1502 })
    assert.deepEqual(opened, ['tcp', 'tcp6', 'tcp'])
  })

  test('is not looked for in the second table once the first has it', async () => {
    const { tables, opened } = countingTables([row(theirs, ours, 1502)], [])
    assert.deepEqual(await new PeerTable(tables).find(connection), { kind: 'found', uid: 1502 })
    assert.deepEqual(opened, ['tcp'])
  })

  test('is not looked for in the first table over IPv6', async () => {
    const { tables, opened } = countingTables([], [])
    await new PeerTable(tables).find({ ...connection, localAddress: '::1', remoteAddress: '::1' })
    assert.deepEqual(opened, ['tcp6', 'tcp6'])
  })

  test('is found in the second table when the first has an orphan', async () => {
    const mappedRow = row(`${mapped}:D431`, `${mapped}:0FA0`, 1502)
    const { tables } = countingTables([row(theirs, ours, 0, { inode: 0 })], [mappedRow])
    assert.deepEqual(await new PeerTable(tables).find(connection), { kind: 'found', uid: 1502 })
  })

  test('is unknown after one look that shows an orphan', async () => {
    const { tables, opened } = countingTables([row(theirs, ours, 0, { inode: 0 })], [''])
    assert.deepEqual(await new PeerTable(tables).find(connection), { kind: 'absent' })
    assert.deepEqual(opened, ['tcp', 'tcp6'])
  })

  test('is unknown where the row is of a socket that waits to be connected', async () => {
    assert.deepEqual(await lookUp(row(theirs, ours, 1502, { state: '02' })), { kind: 'absent' })
  })

  test('is ambiguous where sockets of two users have the same ends', async () => {
    const tables = row(theirs, ours, 1501) + row(theirs, ours, 1502)
    assert.deepEqual(await lookUp(tables), { kind: 'ambiguous' })
  })

  test('is root in a half-closed row only when another look shows the same', async () => {
    const perhaps = row(theirs, ours, 0, { state: '05' })
    const closing = countingTables([perhaps, row(theirs, ours, 0, { state: '05', inode: 0 })], [''])
    assert.deepEqual(await new PeerTable(closing.tables).find(connection), { kind: 'absent' })
    const root = countingTables([perhaps, perhaps], [])
    assert.deepEqual(await new PeerTable(root.tables).find(connection), { kind: 'found', uid: 0 })
    assert.deepEqual(root.opened, ['tcp', 'tcp'])
    const late = countingTables(['', perhaps, ''], ['', ''])
    assert.deepEqual(await new PeerTable(late.tables).find(connection), { kind: 'absent' })
  })

  test('is unreadable, with the cause, where a table is', async () => {
    const cause = new Error('EACCES: permission denied')
    const unreadable = () => Promise.reject(cause)
    const found = { kind: 'unreadable', cause }
    const empty = tableOf('')
    assert.deepEqual(await new PeerTable({ tcp: unreadable, tcp6: empty }).find(connection), found)
    assert.deepEqual(await new PeerTable({ tcp: empty, tcp6: unreadable }).find(connection), found)
  })

  for (const damaged of [row(theirs, ours, 1).slice(0, 60), `: ${theirs} ${ours} x\n`]) {
    test(`is unknown where the row is cut: ${JSON.stringify(damaged)}`, async () => {
      assert.deepEqual(await lookUp(damaged), { kind: 'absent' })
    })
  }
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
