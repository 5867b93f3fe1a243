import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { Readable } from 'node:stream'
import { test } from 'node:test'
import { fc } from '../support/properties.ts'

import { BodyMemory, LargeBody } from '../../src/bytes/large-body.ts'
import { BodyBudget } from '../../src/server/body-budget.ts'
import { readBody } from '../../src/server/request-body.ts'
import { TimeSlicer } from '../../src/server/time-slicer.ts'

const budget = () => new BodyBudget(10_000_000, () => () => {})

interface Reading {
  /** How far the scanner was let read, step by step. */
  readonly limits: number[]
  readonly body: Promise<Buffer | LargeBody>
}

/** Reads a body that comes in these pieces, while each look at the clock takes `lookMs`. */
function reading(pieces: readonly Buffer[], isMeasured: boolean, lookMs: number): Reading {
  const length = pieces.reduce((sum, piece) => sum + piece.length, 0)
  const headers = isMeasured ? { 'content-length': String(length) } : {}
  const own = pieces.map((piece) => Buffer.concat([piece]))
  const request = Object.assign(Readable.from(own, { objectMode: false }), { headers, socket: {} })
  let nowMs = 0
  const limits: number[] = []
  const outcome = { ok: false, problem: 'none', offset: 0 } as const
  const body = new Promise<Buffer | LargeBody>((resolve, reject) =>
    readBody(request as unknown as IncomingMessage, {
      maxBytes: 1_000_000,
      slicer: new TimeSlicer(() => (nowMs += lookMs), setImmediate),
      memory: new BodyMemory(() => {}),
      share: budget().shareOf('a'),
      scannerOf: () => ({
        readTo(limit) {
          limits.push(limit)
          return limit === length ? outcome : undefined
        },
      }),
      onBody: resolve,
      onTooLarge: () => reject(new Error('too large')),
      onNoMemory: () => reject(new Error('no memory')),
      onBroken: () => reject(new Error('broken')),
    }),
  )
  return { limits, body }
}

const lengths = fc.array(fc.integer({ min: 1, max: 65_536 }), { minLength: 1, maxLength: 8 })

test('a body is whole and scanned to its end, however it comes and however little time there is', async () => {
  await fc.assert(
    fc.asyncProperty(lengths, fc.boolean(), fc.constantFrom(0, 0.3, 5), async (sizes, isMeasured, lookMs) => {
      const pieces = sizes.map((size, index) => Buffer.alloc(size, index + 1))
      const expected = Buffer.concat(pieces)
      const { limits, body } = reading(pieces, isMeasured, lookMs)
      const got = await body
      assert.equal(got instanceof LargeBody, expected.length > 65_536)
      assert.ok(expected.equals(got instanceof LargeBody ? got.bytes : got))
      if (!(got instanceof LargeBody)) return
      assert.equal(limits.at(-1), expected.length)
      assert.ok(got.scan !== undefined)
      assert.ok(limits.every((limit, index) => limit > (limits[index - 1] ?? 0)))
    }),
    { numRuns: 60 },
  )
})

test('a small body that is here already leaves no listeners, and its connection serves the next request', async (t) => {
  const left: string[][] = []
  const ends: Promise<unknown>[] = []
  const server = createServer((request, response) => {
    setImmediate(() => {
      ends.push(new Promise<void>((resolve) => request.once('end', resolve)))
      const fail = () => response.destroy()
      readBody(request, {
        maxBytes: 1_000_000,
        slicer: new TimeSlicer(() => 0, setImmediate),
        memory: new BodyMemory(() => {}),
        share: budget().shareOf('a'),
        scannerOf: () => undefined,
        onBody(body) {
          left.push(request.eventNames().map(String))
          response.end(body as Buffer)
        },
        onTooLarge: fail,
        onNoMemory: fail,
        onBroken: fail,
      })
    })
  })
  t.after(() => server.close())
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1')
  t.after(() => client.destroy())
  let received = ''
  client.setEncoding('latin1').on('data', (text: string) => (received += text))
  for (const text of ['one', 'another']) {
    client.write(`POST / HTTP/1.1\r\nhost: a\r\ncontent-length: ${text.length}\r\n\r\n${text}`)
    while (!received.endsWith(text)) await once(client, 'data')
  }
  // That of this test.
  assert.deepEqual(left, [['end'], ['end']])
  await Promise.all(ends)
})

test('each iteration takes a step of it, and other work runs in between', async () => {
  const { limits, body } = reading([Buffer.alloc(65_536), Buffer.alloc(65_536)], true, 0.3)
  const seen: number[] = []
  let isOver = false
  const other = () => {
    seen.push(limits.length)
    if (!isOver) setImmediate(other)
  }
  setImmediate(other)
  await body
  isOver = true
  const most = Math.max(...seen.map((count, index) => count - (seen[index - 1] ?? 0)))
  assert.ok(most <= 4, `${most} steps in one iteration`)
})

test('a client that has sent no more than a head gets no memory', async () => {
  let taken = 0
  class CountedMemory extends BodyMemory {
    override allocate(length: number): Buffer {
      taken += 1
      return super.allocate(length)
    }
  }
  const request = Object.assign(new Readable({ read() {} }), {
    headers: { 'content-length': '1000000' },
    socket: {},
  })
  const ignored = () => {}
  readBody(request as unknown as IncomingMessage, {
    maxBytes: 1_000_000,
    slicer: new TimeSlicer(() => 0, setImmediate),
    memory: new CountedMemory(() => {}),
    share: budget().shareOf('a'),
    scannerOf: () => undefined,
    onBody: ignored,
    onTooLarge: ignored,
    onNoMemory: ignored,
    onBroken: ignored,
  })
  await new Promise(setImmediate)
  assert.equal(taken, 0)
  request.push(Buffer.alloc(1000))
  await new Promise(setImmediate)
  assert.equal(taken, 1)
})
