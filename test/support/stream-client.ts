// Streams a response through whatever lies between here and a gateway, with the official SDK, and fails if the way holds
// the first event back: the provider sends the rest only when that one has arrived. A program of its own, because it
// has to run in the service's namespaces. Arguments: base URL, API key.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'

import OpenAI from 'openai'

const [baseURL = '', apiKey = 'none'] = process.argv.slice(2)
const arrived = Promise.withResolvers<void>()
const event = (content: string) =>
  `data: {"id":"x","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"${content}"}}]}\n\n`

const provider = createServer((request, response) => {
  request.resume()
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  response.write(event('first '))
  void arrived.promise.then(() => response.end(`${event('and last')}data: [DONE]\n\n`))
})
provider.listen(9999, '127.0.0.1')
await once(provider, 'listening')

const client = new OpenAI({ baseURL, apiKey, maxRetries: 0, timeout: 10_000 })
const stream = await client.chat.completions.create(
  { model: 'slow', stream: true, messages: [{ role: 'user', content: 'hello' }] },
  { signal: AbortSignal.timeout(10_000) },
)
let text = ''
for await (const chunk of stream) {
  text += chunk.choices[0]?.delta.content ?? ''
  arrived.resolve()
}
assert.equal(text, 'first and last')
provider.close()
provider.closeAllConnections()
process.stdout.write('streamed\n')
