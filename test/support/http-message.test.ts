import assert from 'node:assert/strict'
import { test } from 'node:test'

import { MessageReader } from './http-message.ts'
import type { HttpMessage } from './http-message.ts'

const request = (wire: string | readonly string[], at?: 'end') => read(false, wire, at)
const response = (wire: string | readonly string[], at?: 'end') => read(true, wire, at)

function read(isResponse: boolean, wire: string | readonly string[], at?: 'end'): HttpMessage[] {
  const messages: HttpMessage[] = []
  const reader = new MessageReader({ isResponse, onHead: (message) => messages.push(message) })
  for (const piece of typeof wire === 'string' ? [wire] : wire) reader.push(Buffer.from(piece))
  if (at === 'end') reader.end()
  return messages
}

test('headers keep their case, order and repetition', () => {
  const [message] = request('GET / HTTP/1.1\r\nB: 1\r\na:  2 \r\nb: 3\r\n\r\n')
  assert.deepEqual(message!.headers, [
    ['B', '1'],
    ['a', '2'],
    ['b', '3'],
  ])
  assert.throws(() => message!.header('b'), /2 times/)
})

test('a counted body, split anywhere, and what is pipelined behind it', () => {
  const wire = 'POST /a HTTP/1.1\r\nContent-Length: 3\r\n\r\nabcGET /b HTTP/1.1\r\n\r\n'
  for (let at = 1; at < wire.length; at++) {
    const [first, second] = request([wire.slice(0, at), wire.slice(at)])
    assert.equal(first!.body().toString(), 'abc')
    assert.equal(second!.startLine, 'GET /b HTTP/1.1')
    assert.ok(first!.complete && second!.complete)
  }
})

test('a chunked body, split anywhere, keeps its chunks', () => {
  const wire =
    'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\nB;x=y\r\n\r\n012345678\r\n0\r\nt: 1\r\n\r\n'
  for (let at = 1; at < wire.length; at++) {
    const [message] = response([wire.slice(0, at), wire.slice(at)])
    assert.deepEqual(message!.chunks.map(String), ['abc', '\r\n012345678'])
    assert.deepEqual(message!.trailers, [['t', '1']])
    assert.ok(message!.complete)
  }
})

test('a response without a length goes on to the end of the stream', () => {
  assert.equal(response('HTTP/1.0 200\r\n\r\nabc')[0]!.complete, false)
  const [message] = response('HTTP/1.0 200\r\n\r\nabc', 'end')
  assert.deepEqual([message!.complete, message!.body().toString()], [true, 'abc'])
})

test('a body that is cut off stays incomplete', () => {
  assert.equal(response('HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nabc', 'end')[0]!.complete, false)
  assert.equal(
    response('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n', 'end')[0]!.complete,
    false,
  )
})

test('answers without a body: informational, 204 and 304', () => {
  const messages = response(
    'HTTP/1.1 103 Hints\r\n\r\nHTTP/1.1 204 No\r\n\r\nHTTP/1.1 304 No\r\ncontent-length: 9\r\n\r\n',
  )
  assert.deepEqual(
    messages.map((message) => message.complete),
    [true, true, true],
  )
})

test('what is no HTTP is refused', () => {
  for (const wire of ['hello\r\n\r\n', 'HTTP/1.1 200 OK\r\nbad header\r\n\r\n', 'HTTP/1.1 2000\r\n\r\n']) {
    assert.throws(() => response(wire), /^Error: not /, wire)
  }
  assert.throws(() => response('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nabc'), /longer/)
  assert.throws(() => response('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nz\r\n'), /size/)
})
