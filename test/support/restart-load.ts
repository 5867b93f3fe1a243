// Calls a gateway over 32 connections, streams and whole responses in turn, while its service restarts; then prints what
// the clients saw, as JSON. A program of its own, because it has to run beside the service, in its namespaces.
// Arguments: base URL of the gateway, port for the provider that it calls, how many restarts.
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { Agent, createServer, request } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { setTimeout } from 'node:timers/promises'
import { promisify } from 'node:util'

const [baseUrl = '', providerPort = '', restarts = ''] = process.argv.slice(2)
const connections = 32
const chunks = 20

/** Whole responses after 20 ms; streams of 20 events in 400 ms, so that some are under way whenever a restart begins. */
async function answer(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
  let body = ''
  for await (const chunk of incoming) body += String(chunk)
  await setTimeout(20)
  if (!body.includes('"stream":true')) {
    response.writeHead(200, { 'content-type': 'application/json' })
    response.end('{"id":"x","object":"chat.completion","choices":[],"end":"whole"}')
    return
  }
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  for (let index = 0; index < chunks; index++) {
    response.write(`data: {"choices":[{"index":0,"delta":{"content":"${index} "}}]}\n\n`)
    await setTimeout(20)
  }
  response.end('data: [DONE]\n\n')
}

interface Seen {
  whole: number
  streams: number
  reused: number
  readonly failed: string[]
  readonly cut: string[]
}

async function call(agent: Agent, isStream: boolean, seen: Seen): Promise<void> {
  const sent = request(`${baseUrl}/v1/chat/completions`, {
    agent,
    method: 'POST',
    headers: { 'content-type': 'application/json' },
  })
  sent.end(JSON.stringify({ model: 'slow', stream: isStream, messages: [{ role: 'user', content: 'x' }] }))
  let text = ''
  try {
    const [response] = (await once(sent, 'response')) as [IncomingMessage]
    if (sent.reusedSocket) seen.reused += 1
    for await (const chunk of response) text += String(chunk)
    const isComplete = isStream
      ? text.split('data: ').length === chunks + 2 && text.endsWith('data: [DONE]\n\n')
      : text.endsWith('"end":"whole"}')
    if (response.statusCode !== 200) seen.failed.push(`${response.statusCode} ${text}`)
    else if (!isComplete) seen.cut.push(text.slice(-80))
    else if (isStream) seen.streams += 1
    else seen.whole += 1
  } catch (error) {
    ;(text === '' ? seen.failed : seen.cut).push(String(error))
  }
}

const provider = createServer((incoming, response) => void answer(incoming, response))
provider.listen(Number(providerPort), '127.0.0.1')
await once(provider, 'listening')

const seen: Seen = { whole: 0, streams: 0, reused: 0, failed: [], cut: [] }
const over = new AbortController()
const clients = Array.from({ length: connections }, async (_, index) => {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  while (!over.signal.aborted) await call(agent, index % 2 === 0, seen)
  agent.destroy()
})
const restartMs: number[] = []
for (let count = 0; count < Number(restarts); count++) {
  await setTimeout(500)
  const begin = performance.now()
  await promisify(execFile)('systemctl', ['--user', 'restart', 'llm-gateway'])
  restartMs.push(Math.round(performance.now() - begin))
}
await setTimeout(500)
over.abort()
await Promise.all(clients)
provider.close()
process.stdout.write(`${JSON.stringify({ ...seen, restartMs })}\n`)
