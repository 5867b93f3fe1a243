// Requests as they should be, in pieces that mutations can take hold of.
import { dialects } from '../../src/dialects/table.ts'
import type { Random } from '../support/random.ts'

/** Names that a client may ask for, and what the provider calls them. The `echo` model has no provider to tell. */
export const providerNames: ReadonlyMap<string, string> = new Map([
  ['plain', 'plain'],
  ['short', 'vendor/deep-model:7b'],
  ['renamed', 'vendor/deep-model:7b'],
  ['scarce', 'scarce'],
])

export interface Draft {
  line: string
  /** Lines as they go out, without their line ends. */
  headers: string[]
  body: Buffer
}

const texts = [
  '',
  'hi',
  '漢字 🙂',
  '\u2028',
  '"quoted" \\ back',
  'data:image/png;base64,QUJD',
  'x'.repeat(3000),
]

export function validRequest(random: Random): Draft {
  if (random.has(0.05)) {
    const path = random.pick(['/v1/models', '/models/plain', '/healthz', '/readyz', '/v1/models/none'])
    return { line: `GET ${path} HTTP/1.1`, headers: ['host: localhost'], body: Buffer.alloc(0) }
  }
  const conversation = random.pick(['chat', 'chat', 'messages', 'response'])
  const dialect = random.has(0.7)
    ? [...dialects.keys()].find(({ name }) => name === conversation)!
    : random.pick([...dialects.keys()])
  const model = random.pick([...providerNames.keys(), 'plain', 'plain', 'echo'])
  const { type, body } =
    random.pick(dialect.bodies) === 'json'
      ? { type: 'application/json', body: jsonBody(random, model) }
      : multipartBody(random, model)
  const path = `${random.pick(['/v1', '/v1', ''])}${dialect.path}`
  return {
    line: `POST ${path} HTTP/1.1`,
    headers: [
      'host: localhost:4000',
      `content-type: ${type}`,
      `content-length: ${body.length}`,
      'accept: */*',
    ],
    body,
  }
}

function jsonBody(random: Random, model: string): Buffer {
  const members: Record<string, unknown> = { model }
  if (random.has(0.8)) {
    members['messages'] = Array.from({ length: 1 + random.below(3) }, () => ({
      role: 'user',
      content: random.has(0.8) ? random.pick(texts) : [{ type: 'text', text: random.pick(texts) }],
    }))
  }
  if (random.has(0.3)) members[random.pick(['input', 'prompt', 'query', 'system'])] = random.pick(texts)
  if (random.has(0.5)) members['stream'] = random.has(0.7)
  if (random.has(0.2)) members['stream_options'] = random.pick([{ include_usage: true }, {}, null])
  if (random.has(0.3)) members[random.pick(['max_tokens', 'n', 'best_of'])] = random.below(100)
  const parameters = { a: [1.0, -0] }
  const tools = [
    { type: 'function', function: { name: 'f', parameters } },
    { type: 'function', name: 'f', parameters },
    { name: 'f', input_schema: parameters },
  ]
  if (random.has(0.2)) members['tools'] = [random.pick(tools)]
  return Buffer.from(JSON.stringify(members, undefined, random.pick([0, 0, 2])))
}

function multipartBody(random: Random, model: string): { type: string; body: Buffer } {
  const boundary = random.pick(['----WebKitFormBoundary7MA4YWxkTrZu', "a'()+_,-./:=?z0123456789abcdef"])
  const part = (name: string, content: string) =>
    `--${boundary}\r\ncontent-disposition: form-data; name="${name}"\r\n\r\n${content}\r\n`
  const file = `--${boundary}\r\ncontent-disposition: form-data; name="file"; filename="a.wav"\r\ncontent-type: audio/wav\r\n\r\nRIFF\0\x01\r\n`
  const parts = [part('model', model), file]
  if (random.has(0.5)) parts.push(part('prompt', 'hello'))
  if (random.has(0.3)) parts.push(part('stream', 'true'))
  if (random.has(0.5)) parts.reverse()
  return {
    type: `multipart/form-data; boundary="${boundary}"`,
    body: Buffer.from(`${parts.join('')}--${boundary}--\r\n`),
  }
}
