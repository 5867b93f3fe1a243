// Streams as providers and what stands in front of them frame them, cut somewhere, on the wire.
import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'

import { startGateway } from '../support/app.ts'
import { connectRaw, rawRequest } from '../support/raw-client.ts'
import { type Splits, stream } from '../support/upstream-script.ts'

export const ask = rawRequest(
  'POST /v1/chat/completions',
  {},
  '{"model":"plain","stream":true,"messages":[]}',
)

export function delta(content: string, finish_reason: string | null = null): string {
  return `data: ${JSON.stringify({ choices: [{ index: 0, delta: { content }, finish_reason }] })}\n\n`
}

export const done = 'data: [DONE]\n\n'

/** Framings that providers and what stands in front of them use. */
export const framings: Readonly<Record<string, string>> = {
  'line feeds': delta('a') + delta('b', 'stop') + done,
  'CR LF': (delta('a') + delta('b') + done).replaceAll('\n', '\r\n'),
  'bare CR': (delta('a') + delta('b') + done).replaceAll('\n', '\r'),
  'mixed line ends': `data: {"a":1}\r\n\ndata: {"b":2}\n\r\ndata: {"c":3}\r\r${done}`,
  'no space after the colon': 'data:{"choices":[]}\n\ndata:[DONE]\n\n',
  'comments before and between events': `: OPENROUTER PROCESSING\n\n${delta('a')}: keep-alive\n\n:\n\n${done}`,
  'a comment within an event': `: hi\ndata: {"a":1}\n: there\n\n${done}`,
  'a byte order mark': `\ufeff${delta('a')}${done}`,
  'names, ids and retry times': `retry: 3000\n\nevent: message\nid: 7\ndata: {"a":1}\n\n${done}`,
  'data in several lines': `data: {"a":\ndata: 1}\n\n${done}`,
  'blank lines to spare': `\n\n${delta('a')}\n\n\n${done}\n`,
  'characters of several bytes': delta('Grüße 你好 🙂') + done,
  'no DONE after a finish reason': delta('a') + delta('', 'stop'),
  'something after DONE': `${delta('a')}${done}data: {"late":1}\n\n`,
}

/** Fails unless the stream arrives the same, however it is cut, in one response after the other. */
export async function streamCut(t: TestContext, body: string, cuts: Iterable<Splits>): Promise<void> {
  const { gateway, upstream } = await startGateway(t)
  const client = await connectRaw(t, gateway.url)
  for (const splitAt of cuts) {
    upstream.respond(stream(body, { splitAt }))
    client.send(ask)
    const response = await client.response()
    assert.ok(response.complete)
    assert.equal(response.body().toString(), body, `cut at ${String(splitAt)}`)
  }
}
