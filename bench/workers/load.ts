// Connections that each send the next call as soon as the last one is answered. A process of its own.
import { connect } from 'node:net'
import { Messages } from './messages.ts'

export interface LoadOrder {
  readonly port: number
  readonly model: string
  readonly connections: number
  readonly durationMs: number
  /** For the spans of calls that were served. */
  readonly wantsSpans: boolean
}

export interface LoadResult {
  readonly served: number
  readonly refused: number
  readonly failed: number
  /** Of each call that was served, in the order of the answers, in milliseconds. */
  readonly spans: readonly (readonly [sentMs: number, answeredMs: number])[]
}

process.once('message', (order: LoadOrder) => {
  void run(order).then((result) => process.send!(result))
})
process.once('disconnect', () => process.exit())

async function run({ port, model, connections, durationMs, wantsSpans }: LoadOrder): Promise<LoadResult> {
  const request = requestFor(model)
  const untilMs = performance.now() + durationMs
  const spans: [number, number][] = []
  const counts = { served: 0, refused: 0, failed: 0 }
  const clients = Array.from({ length: connections }, () => {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const socket = connect(port, '127.0.0.1')
    const messages = new Messages()
    let sentMs = 0
    const send = () => {
      sentMs = performance.now()
      socket.write(request)
    }
    socket.on('connect', send)
    socket.on('error', reject)
    socket.on('data', (chunk: Buffer) => {
      for (const answer of messages.take(chunk)) {
        const nowMs = performance.now()
        const status = answer.toString('latin1', 9, 12)
        if (nowMs < untilMs) {
          if (status === '200') counts.served++
          else if (status === '429') counts.refused++
          else counts.failed++
        }
        if (wantsSpans && status === '200') spans.push([sentMs, nowMs])
        if (nowMs < untilMs) send()
        else {
          socket.destroy()
          resolve()
        }
      }
    })
    return promise
  })
  await Promise.all(clients)
  return { ...counts, spans }
}

function requestFor(model: string): Buffer {
  const body = JSON.stringify({ model, messages: [{ role: 'user', content: 'Say hello to the bench.' }] })
  const head = [
    'POST /v1/chat/completions HTTP/1.1',
    'host: localhost',
    'content-type: application/json',
    `content-length: ${body.length}`,
  ]
  return Buffer.from(`${head.join('\r\n')}\r\n\r\n${body}`)
}
