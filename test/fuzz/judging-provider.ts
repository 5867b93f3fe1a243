// A provider that holds every request against what the gateway may send, and answers it.
import { createServer } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

import { dialects } from '../../src/dialects/table.ts'
import { helloMessage, helloStream } from '../support/message-events.ts'
import type { Cleanup } from '../support/scripted-upstream.ts'
import { providerNames } from './requests.ts'

export interface JudgingProvider {
  readonly url: string
  readonly count: number
}

/** Below the base URL; of a server's own routes below its root, which a second slash says. */
const paths = new Set(
  Array.from(dialects.keys(), ({ native: { path } }) =>
    path.startsWith('//') ? path.slice(1) : `/v1${path}`,
  ),
)
const models = new Set(providerNames.values())
const headerNames = new Set([
  'accept',
  'accept-encoding',
  'anthropic-version',
  'authorization',
  'connection',
  'content-length',
  'content-type',
  'host',
  'user-agent',
  'x-request-id',
])

const usage = { prompt_tokens: 2, completion_tokens: 1, total_tokens: 3 }
const chatWhole = JSON.stringify({
  object: 'chat.completion',
  choices: [{ index: 0, message: { content: 'a' } }],
  usage,
})
const chatEvents = `data: {"choices":[{"index":0,"delta":{"content":"a"}}]}\n\ndata: {"choices":[],"usage":${JSON.stringify(usage)}}\n\ndata: [DONE]\n\n`

/** @param accuse is told what the gateway should not have sent. */
export async function startJudgingProvider(
  t: Cleanup,
  key: string,
  accuse: (what: string) => void,
): Promise<JudgingProvider> {
  let count = 0
  const server = createServer((request, response) => {
    const parts: Buffer[] = []
    request.on('data', (part: Buffer) => parts.push(part))
    request.on('end', () => {
      count += 1
      const body = Buffer.concat(parts)
      for (const fault of judge(request, body, key)) {
        accuse(`${fault}; the provider got ${request.method} ${request.url} ${body.toString().slice(0, 500)}`)
      }
      answer(request, response, body)
    })
    request.on('error', () => {})
  })
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    // A client that left makes the gateway leave too, in the middle of a request.
    const isCutOff =
      error.code === 'ECONNRESET' || error.code === 'HPE_INVALID_EOF_STATE' || error.code === 'EPIPE'
    if (!isCutOff) accuse(`the provider could not read a request: ${error.code}`)
    socket.destroy()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    get count() {
      return count
    },
  }
}

function judge(request: IncomingMessage, body: Buffer, key: string): string[] {
  const faults: string[] = []
  // The gateway asks once by itself, whether the provider is there, and which formats it speaks.
  if (request.method === 'GET' && request.url === '/v1/models') return faults
  if (request.method === 'POST' && isProbe(request, body)) return faults
  if (request.method !== 'POST' || !paths.has(request.url!.split('?', 1)[0]!))
    faults.push('a path or method of the client')
  if (request.headers.authorization !== `Bearer ${key}`) faults.push('not the key of the gateway')
  const names = request.rawHeaders.filter((_, index) => index % 2 === 0).map((name) => name.toLowerCase())
  for (const name of names) if (!headerNames.has(name)) faults.push(`a header of the client: ${name}`)
  if (new Set(names).size < names.length) faults.push('a header that stands there twice')
  const model = modelIn(request, body)
  if (typeof model !== 'string' || !models.has(model)) faults.push(`the model ${JSON.stringify(model)}`)
  return faults
}

/** The model as an ordinary server reads it: the last of several in JSON, all of them in a form. */
function modelIn(request: IncomingMessage, body: Buffer): unknown {
  const type = request.headers['content-type'] ?? ''
  try {
    if (type === 'application/json') return (JSON.parse(body.toString()) as { model?: unknown }).model
    const boundary = /;[ \t]*boundary="?([^";]+?)"?[ \t]*(?:;|$)/i.exec(type)![1]!
    const models = readForm(body.toString('latin1'), boundary).filter(
      ([name]) => name.toLowerCase() === 'model',
    )
    return models.length === 1 ? models[0]![1] : models
  } catch (error) {
    return `unreadable: ${String(error)}`
  }
}

/** Names and contents of the parts; a part without a readable name is an error. */
function readForm(body: string, boundary: string): [name: string, content: string][] {
  const parts = `\r\n${body}`.split(`\r\n--${boundary}`).slice(1, -1)
  return parts.map((part) => {
    const [head = '', ...rest] = part.split('\r\n\r\n')
    const name = /\r\ncontent-disposition:[ \t]*form-data[ \t]*;[^\r\n]*?\bname="?([^";\r\n]*)/i.exec(
      head,
    )?.[1]
    if (name === undefined) throw new Error(`no name in ${JSON.stringify(head)}`)
    return [name, rest.join('\r\n\r\n')]
  })
}

/** A question for a format, which no client sends: it has no model. */
function isProbe({ url = '' }: IncomingMessage, body: Buffer): boolean {
  return (url === '/v1/messages' || url === '/v1/responses') && body.toString() === '{}'
}

function answer(request: IncomingMessage, response: ServerResponse, body: Buffer): void {
  response.on('error', () => {})
  const isMessages = /^\/v1\/messages(?:\?|$)/.test(request.url ?? '')
  if (isProbe(request, body)) {
    const error = { type: 'invalid_request_error', message: 'model: field required' }
    response.writeHead(400, { 'content-type': 'application/json' })
    response.end(JSON.stringify(isMessages ? { type: 'error', error } : { error }))
    return
  }
  if (request.url?.startsWith('/v1/embeddings') === true) {
    response.setHeader('content-type', 'application/json')
    response.end(embeddings)
    return
  }
  const isStream = body.includes('"stream":true') || body.includes('"stream": true')
  response.setHeader('content-type', isStream ? 'text/event-stream' : 'application/json')
  if (isMessages) response.end(isStream ? helloStream : JSON.stringify(helloMessage))
  else response.end(isStream ? chatEvents : chatWhole)
}

const embeddings = JSON.stringify({
  object: 'list',
  model: 'm',
  data: [{ object: 'embedding', index: 0, embedding: [0.5] }],
  usage: { prompt_tokens: 1, total_tokens: 1 },
})
