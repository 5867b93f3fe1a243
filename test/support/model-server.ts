// A model server as systemd runs it in tests: it takes its time to load, answers chat calls with its own name, and can crash. A
// program of its own. Arguments: port, name, milliseconds to load, and what is wrong with it: `crash` (ends with status 3 while it
// loads), `never` (stays in loading), `cut` (kills itself with signal 9 in the middle of a stream), `long` (its streams take 10 s).
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { setTimeout } from 'node:timers/promises'

const [port = '', name = '', loadMs = '0', fault = ''] = process.argv.slice(2)
const chunks = fault === 'long' ? 500 : 10
let isLoaded = false

function json(value: object): string {
  return JSON.stringify(value)
}

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  let body = ''
  for await (const chunk of request) body += String(chunk)
  if (!isLoaded) {
    response.writeHead(503, { 'content-type': 'application/json' })
    response.end(json({ error: { message: 'Loading model', type: 'unavailable_error', code: 503 } }))
  } else if (request.url === '/health') {
    response.writeHead(200, { 'content-type': 'application/json' })
    response.end(json({ status: 'ok' }))
  } else if (request.url === '/v1/models') {
    response.writeHead(200, { 'content-type': 'application/json' })
    response.end(json({ object: 'list', data: [{ id: `${name}-model`, object: 'model' }] }))
  } else if (!body.includes('"stream":true')) {
    await setTimeout(50)
    const message = { role: 'assistant', content: name }
    const usage = { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 }
    response.writeHead(200, { 'content-type': 'application/json' })
    response.end(
      json({
        id: 'x',
        object: 'chat.completion',
        choices: [{ index: 0, message, finish_reason: 'stop' }],
        usage,
      }),
    )
  } else {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    for (let index = 0; index < chunks; index++) {
      const delta = { content: `${name} ` }
      response.write(
        `data: ${json({ id: 'x', object: 'chat.completion.chunk', choices: [{ index: 0, delta }] })}\n\n`,
      )
      await setTimeout(20)
      if (fault === 'cut' && index === 5) process.kill(process.pid, 'SIGKILL')
    }
    const last = { index: 0, delta: {}, finish_reason: 'stop' }
    response.write(`data: ${json({ id: 'x', object: 'chat.completion.chunk', choices: [last] })}\n\n`)
    response.end('data: [DONE]\n\n')
  }
}

const server = createServer((request, response) => void answer(request, response))
server.listen(Number(port), '127.0.0.1')
await setTimeout(Number(loadMs))
if (fault === 'crash') process.exit(3)
if (fault !== 'never') isLoaded = true
