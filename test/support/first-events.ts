// The first events of a stream in each of the clients' formats, up to the text `first`.
import { delta } from './chat-content.ts'

type Event = Readonly<Record<string, unknown>> & { readonly type: string }

const eventsOf = (events: readonly Event[]) =>
  events.map((data) => `event: ${data.type}\ndata: ${JSON.stringify(data)}\n\n`).join('')

const messagesText = eventsOf([
  { type: 'message_start', message: { id: 'm', usage: { input_tokens: 1, output_tokens: 1 } } },
  { type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } },
  { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: 'first' } },
])

const response = { id: 'r', object: 'response', status: 'in_progress', model: 'm', output: [] }
const text = { item_id: 'i', output_index: 0, content_index: 0, sequence_number: 1 }
const responseText = eventsOf([
  { type: 'response.created', sequence_number: 0, response },
  { type: 'response.output_text.delta', ...text, delta: 'first' },
])

/** By the path that is called. */
export const firstEvents: Readonly<Record<string, string>> = {
  '/v1/chat/completions': `data: ${delta('first')}\n\n`,
  '/v1/messages': messagesText,
  '/v1/responses': responseText,
}
