// A service that receives messages, on a real socket of this machine: what it was sent, and what it is to answer.
import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'

import { soon } from './deadline.ts'
import type { Cleanup } from './scripted-upstream.ts'

export interface Received {
  readonly method: string
  readonly path: string
  readonly headers: IncomingMessage['headers']
  readonly text: string
  /** Parsed; undefined: it is no JSON. */
  readonly body: unknown
}

export interface Answer {
  readonly status?: number
  readonly headers?: Readonly<Record<string, string>>
  readonly text?: string
  /** There is no answer. */
  readonly hangs?: boolean
}

export interface Receiver {
  /** `http://127.0.0.1:PORT`. */
  readonly url: string
  readonly received: readonly Received[]
  /** For the requests from now on. */
  answer: Answer
  /** Resolves when so many have been received in all. */
  count(wanted: number): Promise<readonly Received[]>
}

export async function startReceiver(t: Cleanup): Promise<Receiver> {
  const received: Received[] = []
  const waiting = new Set<() => void>()
  const receiver = {
    url: '',
    received,
    answer: {} as Answer,
    count(wanted: number) {
      const come = new Promise<readonly Received[]>((resolve) => {
        const look = () => {
          if (received.length >= wanted) resolve(received)
        }
        waiting.add(look)
        look()
      })
      return soon(come, () => `${wanted} messages; there were ${received.length}`)
    },
  }
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const text = Buffer.concat(chunks).toString()
      const { method = '', url: path = '', headers } = request
      received.push({ method, path, headers, text, body: parsed(text) })
      const { status = 200, headers: own = {}, text: answer = 'ok', hangs = false } = receiver.answer
      if (!hangs) response.writeHead(status, own).end(answer)
      for (const look of waiting) look()
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  receiver.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return receiver
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
