import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite, test, type TestContext } from 'node:test'

import { kernelTable } from '../../../src/server/peer/kernel-table.ts'
import { type Connection, PeerTable } from '../../../src/server/peer/peer-table.ts'
import { type OpenTable, pieceBytes, SocketTable } from '../../../src/server/peer/socket-table.ts'
import { unless } from '../../support/needs.ts'
import { tableRow } from '../../support/socket-tables.ts'

const missing = join(import.meta.dirname, 'no-such-table')
const ends = '0100007F:D431 0100007F:0FA0'
const find = (open: OpenTable, asked = ends) => new SocketTable(open, 8).find(asked)

suite('a table in a file', () => {
  test('may be missing where it is optional', async () => {
    assert.equal(await kernelTable(missing, { isOptional: true })(), undefined)
    await assert.rejects(kernelTable(missing, { isOptional: false })(), { code: 'ENOENT' })
  })

  test('must be readable where it is there', async () => {
    await assert.rejects(find(kernelTable(import.meta.dirname, { isOptional: true })), { code: 'EISDIR' })
  })

  const hex = (number: number) => number.toString(16).toUpperCase().padStart(4, '0')
  const numbers = Array.from({ length: 9_000 }, (_, number) => number)
  const right = numbers.map((number) => number * 7)

  /** Rows of so many bytes; those of 256 fill the pages of a file. */
  function writeRows(file: string, rowBytes: number): void {
    const rows = numbers.map((number) => tableRow(`0100007F:${hex(number)}`, '0100007F:0FA0', number * 7))
    writeFileSync(file, rows.map((row) => `${row.trimEnd().padEnd(rowBytes - 1)}\n`).join(''))
  }

  function tableIn(t: TestContext, rowBytes: number) {
    const folder = mkdtempSync(join(tmpdir(), 'kernel-table-'))
    t.after(() => rmSync(folder, { recursive: true }))
    const file = join(folder, 'tcp')
    writeRows(file, rowBytes)
    const table = new SocketTable(kernelTable(file, { isOptional: false }), 8)
    const findAll = () =>
      Promise.all(numbers.map((number) => table.find(`0100007F:${hex(number)} 0100007F:0FA0`)))
    return { file, findAll }
  }

  test('whose pages end with rows shows all of them, one page at a time and several', async (t) => {
    const { findAll } = tableIn(t, 256)
    for (const look of ['one', 'several', 'again']) assert.deepEqual(await findAll(), right, look)
  })

  test('whose pages end within rows shows all of them', async (t) => {
    const { findAll } = tableIn(t, 150)
    for (const look of ['first', 'second']) assert.deepEqual(await findAll(), right, look)
  })

  test('whose pages end within rows unexpectedly shows no row that it does not have', async (t) => {
    const { file, findAll } = tableIn(t, 256)
    assert.deepEqual(await findAll(), right)
    writeRows(file, 201)
    const wrong = (await findAll()).filter((uid, number) => uid !== undefined && uid !== right[number])
    assert.deepEqual(wrong, [])
    assert.deepEqual(await findAll(), right, 'one page at a time from then on')
  })

  test('that has become short is read one page at a time again', async (t) => {
    const { file } = tableIn(t, 256)
    const open = kernelTable(file, { isOptional: false })
    const buffer = Buffer.alloc(pieceBytes)
    const readAll = async () => {
      const reader = (await open())!
      const counts: number[] = []
      do counts.push(await reader.read(buffer, 0))
      while (counts.at(-1)! > 0)
      reader.close()
      return counts
    }
    await readAll()
    assert.equal((await readAll())[0], pieceBytes)

    writeFileSync(file, Buffer.alloc(1_000, '\n'))
    await readAll()
    writeFileSync(file, Buffer.alloc(200_000, '\n'))
    assert.ok((await readAll())[0]! < 100_000)
  })
})

suite('the table of this machine', { skip: unless(process.platform === 'linux', 'needs Linux') }, () => {
  test('is read with several reads at once when it is long, and shows every connection', async (t) => {
    const server = createServer().listen({ host: '127.0.0.1', port: 0, backlog: 500 })
    const { port } = (await once(server, 'listening').then(() => server.address())) as AddressInfo
    const accepted: Socket[] = []
    const allAccepted = Promise.withResolvers<void>()
    server.on('connection', (socket) => {
      if (accepted.push(socket) === 300) allAccepted.resolve()
    })
    const clients = Array.from({ length: 300 }, () => connect(port, '127.0.0.1'))
    t.after(() => {
      for (const socket of [...clients, ...accepted]) socket.destroy()
      server.close()
    })
    await allAccepted.promise
    const table = new PeerTable()
    const found = { kind: 'found', uid: process.getuid!() }
    for (const look of ['one by one', 'several at once', 'again']) {
      const answers = await Promise.all(accepted.map((socket) => table.find(socket as Connection)))
      assert.deepEqual(
        new Set(answers.map((each) => JSON.stringify(each))),
        new Set([JSON.stringify(found)]),
        look,
      )
    }
  })
})
