import assert from 'node:assert/strict'
import { suite, test } from 'node:test'

import { fc } from '../../support/properties.ts'

import { type OpenTable, type RowOwner, SocketTable } from '../../../src/server/peer/socket-table.ts'
import { tableHeader, tableOf, tableRow } from '../../support/socket-tables.ts'

const ends = '0100007F:D431 0100007F:0FA0'
const [local = '', remote = ''] = ends.split(' ')
const row = (uid: number, inode = 4711, state = '01') => tableRow(local, remote, uid, { inode, state })
const otherRow = tableRow(remote, local, 9)

const find = (open: OpenTable, asked = ends) => new SocketTable(open, 8).find(asked)
const settled = () => new Promise<void>((resolve) => setImmediate(resolve))

/** A table whose reads wait to be answered. */
function gatedTable() {
  const reads: ((rows: string) => void)[] = []
  let [opened, closed] = [0, 0]
  const open: OpenTable = () => {
    opened += 1
    const read = (buffer: Buffer, at: number) =>
      new Promise<number>((resolve) => {
        reads.push((rows) => resolve(buffer.write(rows, at, 'latin1')))
      })
    return Promise.resolve({ read, close: () => (closed += 1) })
  }
  const answer = async (rows: string) => {
    await settled()
    assert.equal(reads.length, 1, 'one read goes on at a time')
    reads.shift()!(rows)
    await settled()
  }
  const counts = () => ({ opened, closed, waiting: reads.length })
  return { table: new SocketTable(open, 8), answer, counts }
}

suite('a search of the socket table', () => {
  /** One row after the other with one expression, from the whole text. */
  function naiveFind(text: string, asked: string): RowOwner | undefined {
    const form = /^ *\d+: (\S+ \S+) (\w+) \w+:\w+ \w+:\w+ \w+ +(\d+) +\d+ (\d+) .*\n/gm
    const rows = [...text.matchAll(form)].filter(([, found]) => found === asked)
    const live = rows.find(([, , state = '', , inode]) => inode !== '0' && '01 04 05 08'.includes(state))
    if (live !== undefined) return Number(live[3])
    return rows.length > 0 ? 'nobody' : undefined
  }

  /** Few ends, so that rows collide and are asked for. */
  const end = fc
    .tuple(
      fc.constantFrom('0100007F', '0200007F', '0100007E'),
      fc.constantFrom('0FA0', '0FA1', 'D431', 'FFFF'),
    )
    .map((parts) => parts.join(':'))
  const endsPair = fc.tuple(end, end)
  const anyRow = fc
    .tuple(
      endsPair,
      fc.constantFrom('01', '01', '02', '04', '06'),
      fc.constantFrom(0, 1, 4_294_967_295),
      fc.nat(120_000),
      fc.nat(60),
    )
    .map(([[from, to], state, inode, number, padding]) => {
      // The same ends have the same user, or the answer would depend on where the table is cut.
      const uid = Number.parseInt(from.slice(-4), 16) * 65_535 + Number.parseInt(to.slice(-4), 16)
      return tableRow(from, to, uid, { inode, number, state }).replace('\n', `${' '.repeat(padding)}\n`)
    })
  const damaged = fc.constantFrom('\n', ': \n', '   3\n', `: ${ends} x\n`, `   3: ${ends} 01 0:0\n`, 'é:\n')
  const text = fc.array(fc.oneof({ arbitrary: anyRow, weight: 6 }, damaged), { maxLength: 40 })

  function cut(whole: string, places: readonly number[]): string[] {
    const at = [
      0,
      ...places.map((place) => place % (whole.length + 1)).toSorted((a, b) => a - b),
      whole.length,
    ]
    return at.slice(1).map((to, index) => whole.slice(at[index], to))
  }

  test('finds in rows of any order, cut anywhere, what a plain reader finds', async () => {
    const asked = fc.array(endsPair, { minLength: 1, maxLength: 30 })
    const property = fc.asyncProperty(text, fc.array(fc.nat()), asked, async (rows, places, pairs) => {
      const whole = tableHeader + rows.join('')
      const table = new SocketTable(tableOf(...cut(whole, places)), 8)
      const questions = pairs.map((pair) => pair.join(' '))
      const found = await Promise.all(questions.map((question) => table.find(question)))
      assert.deepEqual(
        found,
        questions.map((question) => naiveFind(whole, question)),
      )
    })
    await fc.assert(property, { numRuns: 300 })
  })

  test('finds a row behind ten thousand others, whose numbers are wider', async () => {
    const others = Array.from({ length: 12_000 }, (_, number) => tableRow(remote, local, 9, { number }))
    const rows = [tableHeader, ...others, tableRow(local, remote, 1502, { number: 12_000 })]
    assert.equal(await find(tableOf(...rows)), 1502)
  })

  test('reads addresses of IPv6', async () => {
    const mapped = `0000000000000000FFFF0000${ends.slice(0, 8)}`
    const rows = tableRow(`${mapped}:D431`, `${mapped}:0FA0`, 1502)
    assert.equal(await new SocketTable(tableOf(rows), 32).find(`${mapped}:D431 ${mapped}:0FA0`), 1502)
  })

  test('passes a line that no buffer holds', async () => {
    const pieces = Array.from({ length: 12 }, () => 'x'.repeat(32 * 1024))
    assert.equal(await find(tableOf(...pieces, '\n', row(1502))), 1502)
  })

  for (const state of ['01', '04', '05', '08']) {
    test(`takes the user of a socket in state ${state}, which is connected`, async () => {
      assert.equal(await find(tableOf(row(7, 4711, state))), 7)
    })
  }

  for (const state of ['02', '03', '06', '07', '09', '0A', '0B', '0C']) {
    test(`does not take the user of a socket in state ${state}, which is not`, async () => {
      assert.equal(await find(tableOf(row(7, 4711, state))), 'nobody')
      assert.equal(await find(tableOf(row(7, 4711, state) + row(8))), 8)
      assert.equal(await find(tableOf(row(8) + row(7, 4711, state))), 8)
    })
  }

  test('is not sure of root where the socket may have been closed while its row was written', async () => {
    for (const state of ['04', '05', '08']) {
      assert.equal(await find(tableOf(row(0, 4711, state))), 'perhaps root')
    }
    assert.equal(await find(tableOf(row(0))), 0)
    assert.equal(
      await find(tableOf(row(0) + row(0, 4711, '04'))),
      'perhaps root',
      'a row that is shown twice',
    )
  })

  test('finds that several users have the same ends', async () => {
    assert.equal(await find(tableOf(row(7) + row(8))), 'several')
    assert.equal(await find(tableOf(row(7) + otherRow + row(0, 4711, '05') + row(7))), 'several')
    assert.equal(await find(tableOf(row(7) + row(7))), 7)
    assert.equal(await find(tableOf(row(7) + row(8, 0))), 7)
  })

  test('finds it where a piece ends between the rows', async () => {
    assert.equal(await find(tableOf(row(7), row(8))), 'several')
    assert.equal(await find(tableOf(row(7), row(8).slice(0, 50), row(8).slice(50))), 'several')
    assert.equal(await find(tableOf(row(7), otherRow)), 7)
    assert.equal(await find(tableOf(row(7))), 7)
  })

  test('ignores a last row that is cut', async () => {
    assert.equal(await find(tableOf(row(1502).slice(0, -1))), undefined)
  })

  test('finds nothing where the machine has no such table', async () => {
    assert.equal(await find(() => Promise.resolve(undefined)), undefined)
  })
})

suite('reads of the socket table', () => {
  test('end with the last row that is asked for', async () => {
    const { table, answer, counts } = gatedTable()
    const found = table.find(ends)
    await answer(otherRow)
    await answer(row(7) + otherRow)
    assert.equal(await found, 7)
    assert.deepEqual(counts(), { opened: 1, closed: 1, waiting: 0 })
  })

  test('are shared by all who ask together', async () => {
    const { table, answer, counts } = gatedTable()
    const found = Array.from({ length: 50 }, () => table.find(ends))
    await answer(row(7) + otherRow)
    assert.deepEqual(new Set(await Promise.all(found)), new Set([7]))
    assert.equal(counts().opened, 1)
  })

  test('go past an orphan, which is the answer only when the table has no other', async () => {
    const { table, answer } = gatedTable()
    const found = table.find(ends)
    await answer(row(0, 0))
    await answer(row(7) + otherRow)
    assert.equal(await found, 7)
    const orphan = table.find(ends)
    await answer(row(0, 0))
    await answer('')
    assert.equal(await orphan, 'nobody')
  })

  test('that had begun before a question do not count for it', async () => {
    const { table, answer } = gatedTable()
    const first = table.find('0100007F:0001 0100007F:0FA0')
    await settled()
    const second = table.find(ends)
    await answer(row(1) + otherRow)
    await answer(row(2) + otherRow)
    assert.equal(await second, 2)
    await answer('')
    assert.equal(await first, undefined)
  })

  test('begin once more for whoever came in their middle and was not found', async () => {
    const { table, answer, counts } = gatedTable()
    const first = table.find('0100007F:0001 0100007F:0FA0')
    await settled()
    const second = table.find(ends)
    await answer(otherRow)
    await answer(row(0, 0))
    await answer('')
    assert.equal(await first, undefined)
    await answer(otherRow)
    await answer('')
    assert.equal(await second, undefined, 'the orphan was seen in a part of a table')
    assert.deepEqual(counts(), { opened: 2, closed: 2, waiting: 0 })
  })

  test('that end right behind a row have shown it, also to whoever came in their middle', async () => {
    const { table, answer, counts } = gatedTable()
    const first = table.find('0100007F:0001 0100007F:0FA0')
    await settled()
    const second = table.find(ends)
    await answer(otherRow)
    await answer(row(7))
    await answer('')
    assert.deepEqual([await first, await second], [undefined, 7])
    assert.deepEqual(counts(), { opened: 1, closed: 1, waiting: 0 })
  })

  test('that fail are told to those who have waited since they began, and to nobody else', async () => {
    const cause = new Error('EIO: i/o error, read')
    const failing = Promise.withResolvers<number>()
    const readers = [
      { read: () => failing.promise, close: () => {} },
      { read: (buffer: Buffer) => Promise.resolve(buffer.write(row(7), 'latin1')), close: () => {} },
    ]
    const table = new SocketTable(() => Promise.resolve(readers.shift()), 8)
    const first = table.find(ends)
    await settled()
    const second = table.find(ends)
    failing.reject(cause)
    await assert.rejects(first, cause)
    assert.equal(await second, 7)
  })
})
