// The bytes of the memory table: bodies, answers and events, whole and in chunks of one byte.
import { rawRequest } from '../support/raw-client.ts'
import {
  bytes,
  hang,
  head,
  lastChunk,
  type Script,
  type Step,
  streamHead,
} from '../support/upstream-script.ts'

export const chat = 'POST /v1/chat/completions'
const transcription = 'POST /v1/audio/transcriptions'
const formType = 'multipart/form-data; boundary=b'

/** Long for one event, answer or error. */
export const text = 'x'.repeat(200_000)
/** 13 KB. */
export const longHead = Object.fromEntries(
  Array.from({ length: 60 }, (_, index) => [`x-filler-${index}`, 'x'.repeat(200)]),
)

/** A chat body of so many bytes. */
export function promptOf(length: number, model = 'plain'): Buffer {
  const [start, end] = [`{"model":"${model}","messages":[{"role":"user","content":"`, '"}]}']
  return Buffer.from(`${start}${'x'.repeat(length - start.length - end.length)}${end}`)
}

/** A chat body of so many small messages. */
export function messagesOf(count: number): Buffer {
  return Buffer.from(
    `{"model":"plain","messages":[${Array.from({ length: count }, () => '{"a":[]}').join()}]}`,
  )
}

/** A form with a file of so many bytes, and so many empty parts. */
export function formOf(fileBytes: number, parts = 0): Buffer {
  const part = (name: string, content: string) =>
    `--b\r\nContent-Disposition: form-data; ${name}\r\n\r\n${content}\r\n`
  const empty = Array.from({ length: parts }, (_, index) => part(`name="p${index}"`, ''))
  const file = part('name="file"; filename="a.wav"', 'x'.repeat(fileBytes))
  return Buffer.from(`${part('name="model"', 'plain')}${empty.join('')}${file}--b--\r\n`)
}

/** A request with its body in chunks of one byte each. */
export function tinyRequest(body: Buffer, isForm = false): Buffer {
  const contentType = isForm ? formType : 'application/json'
  const headers = { 'content-type': contentType, 'transfer-encoding': 'chunked' }
  const request = rawRequest(isForm ? transcription : chat, headers)
  return Buffer.concat([request, tinyChunks(body), Buffer.from('0\r\n\r\n')])
}

export function formRequest(body: Buffer): Buffer {
  const headers = { 'content-type': formType, 'content-length': String(body.length) }
  return rawRequest(transcription, headers, body)
}

/** A response with its body in chunks of one byte each. */
export function tinyAnswer(status: number, contentType: string, body: string): Script {
  const headers = { 'content-type': contentType, 'transfer-encoding': 'chunked' }
  return [head(status, headers), bytes(tinyChunks(Buffer.from(body))), lastChunk]
}

function tinyChunks(content: Buffer): Buffer {
  const wire = Buffer.alloc(6 * content.length, '1\r\n \r\n')
  for (let at = 0; at < content.length; at += 1) wire[6 * at + 3] = content[at]!
  return wire
}

/** A whole event with this text. */
export function delta(content: string): string {
  return `data: ${JSON.stringify({ choices: [{ delta: { content }, finish_reason: null }] })}\n\n`
}

/** The same as a chunk of a response. */
export function deltaChunk(content: string): Buffer {
  const event = delta(content)
  return Buffer.from(`${event.length.toString(16)}\r\n${event}\r\n`)
}

/** A stream of many such pieces. */
export function* longStream(piece: Buffer): Generator<Step> {
  yield streamHead()
  for (let count = 0; count < 1_000; count += 1) yield bytes(piece)
  yield hang
}

/** 1,500 models. */
export const list = JSON.stringify({
  object: 'list',
  data: Array.from({ length: 1_500 }, (_, index) => ({ id: `m${index}-${'x'.repeat(80)}` })),
})

/** The largest body, and what all may take; of one client three quarters. */
export const bodies = { max_request_body_bytes: 8_000_000, body_memory_bytes: 32_000_000 }

export const smallCall = rawRequest(chat, {}, promptOf(1_000))
export const streamCall = rawRequest(chat, {}, '{"model":"plain","stream":true}')
/** For more than a connection may hold. */
export const listRequests = Buffer.concat(Array.from({ length: 30 }, () => rawRequest('GET /v1/models')))
