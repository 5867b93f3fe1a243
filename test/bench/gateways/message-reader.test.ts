import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fc } from '../../support/properties.ts'
import { MessageReader } from '../../../bench/gateways/message-reader.ts'

const head = 'HTTP/1.1 200 OK\r\n'

/** What a reader makes of the bytes when they come in pieces that end at these places. */
function read(bytes: string, cuts: readonly number[] = []): string[] {
  const messages: string[] = []
  let [status, body] = ['', '']
  const reader = new MessageReader({
    onHead: (text) => ([status, body] = [text.slice(9, 12), '']),
    onBody: (piece) => (body += piece.toString()),
    onEnd: () => messages.push(`${status} ${body}`),
  })
  const ends = [...new Set(cuts.filter((cut) => cut > 0 && cut < bytes.length)), bytes.length]
  let from = 0
  for (const end of ends.toSorted((a, b) => a - b)) {
    reader.push(Buffer.from(bytes.slice(from, end)))
    from = end
  }
  reader.close()
  return messages
}

const several = [
  `${head}content-length: 5\r\n\r\nhello`,
  'HTTP/1.1 100 Continue\r\n\r\n',
  `${head}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6;x=y\r\n world\r\n0\r\n\r\n`,
  'HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n',
].join('')

test('messages are the same however their bytes are cut', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(several.length)), (cuts) => {
      assert.deepEqual(read(several, cuts), ['200 hello', '200 hello world', '404 '])
    }),
  )
})

test('an answer without a length ends with the connection', () => {
  assert.deepEqual(read(`${head}\r\nto the end`), ['200 to the end'])
})

test('an answer that is cut off does not end', () => {
  assert.deepEqual(read(`${head}content-length: 6\r\n\r\nhello`), [])
})
