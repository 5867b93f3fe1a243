// A provider that answers every call with the same bytes. A process of its own; says its port.
import { type AddressInfo, createServer } from 'node:net'
import { Messages } from './messages.ts'

const body = JSON.stringify({
  id: 'chatcmpl-1',
  object: 'chat.completion',
  created: 1,
  model: 'bench',
  choices: [{ index: 0, message: { role: 'assistant', content: 'Hello!' }, finish_reason: 'stop' }],
  usage: { prompt_tokens: 8, completion_tokens: 2, total_tokens: 10 },
})
const answer = Buffer.from(
  `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
)

const server = createServer((socket) => {
  const messages = new Messages()
  socket.on('data', (chunk: Buffer) => {
    for (const _ of messages.take(chunk)) socket.write(answer)
  })
  socket.on('error', () => {})
})
server.listen(0, '127.0.0.1', () => process.send!((server.address() as AddressInfo).port))
process.once('disconnect', () => process.exit())
