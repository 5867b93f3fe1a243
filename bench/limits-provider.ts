// A provider that knows what it really used: it "thinks" for as long as its tokens take and counts them as it goes.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Clock } from '../src/platform/clock.ts'

/** What one call really took, in the order of arrival. */
export interface RealUse {
  readonly promptTokens: number
  outputTokens: number
}

export interface CountingProvider {
  readonly url: string
  readonly calls: readonly RealUse[]
  close(): void
}

/** Milliseconds of the bench's clock for a token of output. */
const msPerToken = 10
const tokensPerEvent = 50
const bytesPerToken = 4

/** `user` of a request says how many tokens the answer shall have: this provider's only sampling parameter. */
interface ModelRequest {
  readonly stream?: boolean
  readonly user: string
  readonly messages: readonly { readonly content: string }[]
}

export async function startCountingProvider({ now, setTimer }: Clock): Promise<CountingProvider> {
  const calls: RealUse[] = []
  const server: Server = createServer((request, response) => {
    void readBody(request).then((body) => {
      const { stream, user, messages } = JSON.parse(body) as ModelRequest
      const use: RealUse = { promptTokens: promptTokens(messages), outputTokens: 0 }
      calls.push(use)
      const answer = { use, wanted: Number(user), startedMs: now() }
      if (stream === true) writeStream(response, answer)
      else writeWhole(response, answer)
    })
  })

  function writeStream(response: ServerResponse, { use, wanted }: Answering): void {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    let stopTimer = (): void => {}
    const next = (): void => {
      const count = Math.min(tokensPerEvent, wanted - use.outputTokens)
      use.outputTokens += count
      const content = 'abc '.repeat((count * bytesPerToken) / 4)
      response.write(event({ choices: [{ index: 0, delta: { content }, finish_reason: null }] }))
      if (use.outputTokens < wanted) {
        stopTimer = setTimer(next, msPerToken * tokensPerEvent)
        return
      }
      response.write(event({ choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] }))
      response.write(event({ choices: [], usage: usageOf(use) }))
      response.end('data: [DONE]\n\n')
    }
    response.on('close', () => stopTimer())
    const delta = { role: 'assistant', content: '' }
    response.write(event({ choices: [{ index: 0, delta, finish_reason: null }] }))
    stopTimer = setTimer(next, msPerToken * tokensPerEvent)
  }

  function writeWhole(response: ServerResponse, { use, wanted, startedMs }: Answering): void {
    const stopTimer = setTimer(() => {
      use.outputTokens = wanted
      response.writeHead(200, { 'content-type': 'application/json' })
      const message = { role: 'assistant', content: 'abc '.repeat((wanted * bytesPerToken) / 4) }
      response.end(
        JSON.stringify({ choices: [{ index: 0, message, finish_reason: 'stop' }], usage: usageOf(use) }),
      )
    }, msPerToken * wanted)
    response.on('close', () => {
      if (response.writableFinished) return
      stopTimer()
      use.outputTokens = Math.min(wanted, Math.floor((now() - startedMs) / msPerToken))
    })
  }

  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    calls,
    close() {
      server.closeAllConnections()
      server.close()
    },
  }
}

interface Answering {
  readonly use: RealUse
  readonly wanted: number
  readonly startedMs: number
}

/** This model's vocabulary: 0.22 tokens a byte, and 5 for each message. */
function promptTokens(messages: ModelRequest['messages']): number {
  return messages.reduce((sum, { content }) => sum + Math.round(content.length * 0.22) + 5, 3)
}

function usageOf({ promptTokens, outputTokens }: RealUse): object {
  const total = promptTokens + outputTokens
  return { prompt_tokens: promptTokens, completion_tokens: outputTokens, total_tokens: total }
}

function event(payload: object): string {
  return `data: ${JSON.stringify({ id: 'c', object: 'chat.completion.chunk', created: 1, model: 'm', ...payload })}\n\n`
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString()
}
