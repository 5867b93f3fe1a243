import assert from 'node:assert/strict'
import { IncomingMessage } from 'node:http'
import { Socket } from 'node:net'
import { test } from 'node:test'

import { ClientUpload } from '../../src/server/client-upload.ts'

/** A request whose body the test pushes. */
function requestWith(headers: Record<string, string> = {}): IncomingMessage {
  const request = new IncomingMessage(new Socket())
  Object.assign(request.headers, headers)
  return request
}

test('pieces come one at a time, and then the end', async () => {
  const request = requestWith({ 'content-length': '5' })
  const upload = new ClientUpload(request, () => 7)
  assert.equal(upload.length, 5)
  request.push(Buffer.from('abc'))
  request.push(Buffer.from('de'))
  request.push(null)
  const pieces: string[] = []
  for await (const piece of upload.pieces) pieces.push(piece.toString())
  assert.equal(pieces.join(''), 'abcde')
  assert.equal(upload.endedAtMs, 7)
  assert.equal(upload.problem, undefined)
})

test('one of unknown length ends when it is too large', async () => {
  const request = requestWith()
  const upload = new ClientUpload(request, () => 0, 4)
  request.push(Buffer.from('abc'))
  request.push(Buffer.from('de'))
  await assert.rejects(async () => {
    for await (const _ of upload.pieces);
  }, /incomplete/)
  assert.equal(upload.problem?.code, 'request_too_large')
})

test('a client is silent while it is waited for, not while the provider takes its time', () => {
  let nowMs = 0
  const request = requestWith()
  const upload = new ClientUpload(request, () => nowMs)
  nowMs = 500_000
  assert.equal(upload.isOverdue(nowMs), false)
  void upload.next()
  nowMs += 119_999
  assert.equal(upload.isOverdue(nowMs), false)
  nowMs += 1
  assert.equal(upload.isOverdue(nowMs), true)
  assert.equal(upload.problem?.code, 'request_timeout')
})

test('an abandoned upload ends for whoever reads it, and reads nothing more', async () => {
  const request = requestWith()
  const upload = new ClientUpload(request, () => 0)
  const next = upload.next()
  upload.abandon()
  await assert.rejects(next, /incomplete/)
  await assert.rejects(upload.next(), /incomplete/)
  assert.equal(request.isPaused(), true)
})
