// The official `openai` client uploads files: multipart bodies.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'

import { toFile } from 'openai'

import { content, head, json, lastChunk, stream } from '../support/upstream-script.ts'
import { startWithClient } from './openai-client.ts'
import { providerModel } from '../support/gateway-config.ts'

/** Binary, and with what looks like the end of a part inside. */
const audio = Buffer.concat([randomBytes(200_000), Buffer.from('\r\n--not-the-boundary\r\n'), randomBytes(7)])

test('a file to transcribe reaches the provider byte for byte, boundary included', async (t) => {
  const { openai, sent, upstream } = await startWithClient(t)
  upstream.respond(json(200, { text: 'Guten Tag' }))

  const answer = await openai.audio.transcriptions.create({
    file: await toFile(audio, 'Grüße "1".wav', { type: 'audio/wav' }),
    model: 'plain',
    language: 'de',
  })

  assert.equal(answer.text, 'Guten Tag')
  const request = await upstream.nextRequest()
  assert.equal(request.target, '/v1/audio/transcriptions')
  assert.ok(request.body.equals(sent[0]!.body))
  assert.equal(boundaryOf(request.header('content-type')), boundaryOf(sent[0]!.contentType))
})

function boundaryOf(contentType: string | null | undefined): string {
  const boundary = /^multipart\/form-data; *boundary="?([^"]+)"?$/.exec(contentType ?? '')?.[1]
  assert.ok(boundary, `no boundary in ${contentType}`)
  return boundary
}

test('a model with another name at the provider is renamed behind the file, and nothing else changes', async (t) => {
  const { openai, sent, upstream } = await startWithClient(t)
  upstream.respond(json(200, { text: 'ok' }))

  await openai.audio.translations.create({ file: await toFile(audio, 'a.wav'), model: 'renamed' })

  const { body } = sent[0]!
  const at = body.lastIndexOf('\r\n\r\nrenamed\r\n') + 4
  assert.ok(at > audio.length, 'the model stands behind the file')
  const expected = Buffer.concat([
    body.subarray(0, at),
    Buffer.from(providerModel),
    body.subarray(at + 'renamed'.length),
  ])
  const request = await upstream.nextRequest()
  assert.equal(request.target, '/v1/audio/translations')
  assert.ok(request.body.equals(expected))
})

test('a transcription can be streamed', async (t) => {
  const { openai, upstream } = await startWithClient(t)
  const events = [
    { type: 'transcript.text.delta', delta: 'Guten' },
    { type: 'transcript.text.delta', delta: ' Tag' },
    { type: 'transcript.text.done', text: 'Guten Tag' },
  ]
  upstream.respond(stream(events.map((event) => `data: ${JSON.stringify(event)}\n\n`).join('')))

  const answer = await openai.audio.transcriptions.create({
    file: await toFile(audio, 'a.wav'),
    model: 'plain',
    stream: true,
  })
  const seen: unknown[] = []
  for await (const event of answer) seen.push({ ...event })

  assert.deepEqual(seen, events)
})

test('subtitles come as text', async (t) => {
  const { openai, upstream } = await startWithClient(t)
  const srt = '1\n00:00:00,000 --> 00:00:01,000\nGuten Tag\n'
  upstream.respond(content(200, 'text/plain; charset=utf-8', srt))

  const answer = await openai.audio.transcriptions.create({
    file: await toFile(audio, 'a.wav'),
    model: 'plain',
    response_format: 'srt',
  })

  assert.equal(answer, srt)
})

test('a transcript of silence is an empty text, and says so', async (t) => {
  const { openai, upstream } = await startWithClient(t)
  upstream.respond([head(200, { 'content-type': 'text/plain', 'transfer-encoding': 'chunked' }), lastChunk])
  const file = await toFile(audio, 'a.wav')

  const { data, response } = await openai.audio.transcriptions
    .create({ file, model: 'plain', response_format: 'text' })
    .withResponse()

  assert.equal(data, '')
  assert.equal(response.headers.get('content-length'), '0')
})

test('an image to edit passes with its mask', async (t) => {
  const { openai, sent, upstream } = await startWithClient(t)
  upstream.respond(json(200, { created: 1, data: [{ b64_json: 'QQ==' }] }))

  const answer = await openai.images.edit({
    model: 'plain',
    prompt: 'a hat',
    image: [await toFile(audio, 'a.png', { type: 'image/png' }), await toFile(audio, 'b.png')],
    mask: await toFile(audio, 'mask.png'),
  })

  assert.equal(answer.data?.[0]?.b64_json, 'QQ==')
  const request = await upstream.nextRequest()
  assert.equal(request.target, '/v1/images/edits')
  assert.ok(request.body.equals(sent[0]!.body))
})
