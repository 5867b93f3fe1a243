// The usual contents of chat calls and of their responses.
import { json, type Step } from './upstream-script.ts'

export const messages = [{ role: 'user' as const, content: 'hi' }]

/** A whole chat response of 7 + 5 tokens. */
export function whole(
  usage: unknown = { prompt_tokens: 7, completion_tokens: 5, total_tokens: 12 },
): Iterable<Step> {
  const message = { role: 'assistant', content: 'Hi!' }
  const choices = [{ index: 0, message, finish_reason: 'stop' }]
  const response = { id: 'c', object: 'chat.completion', created: 1, model: 'm', choices, usage }
  return json(200, response) as Iterable<Step>
}

/** The data of a chat chunk. */
export function delta(content: string, more: object = {}): string {
  const choices = [{ index: 0, delta: { content }, finish_reason: null }]
  return JSON.stringify({
    id: 'c',
    object: 'chat.completion.chunk',
    created: 1,
    model: 'm',
    choices,
    ...more,
  })
}

/** The data of a chunk whose only choice has this delta. */
export function piece(content: object): string {
  return delta('', { choices: [{ index: 0, delta: content, finish_reason: null }] })
}

/** The data of the last chunk of a choice. */
export function finish(reason: string): string {
  return delta('', { choices: [{ index: 0, delta: {}, finish_reason: reason }] })
}

/** The data of a chunk with a part of a tool call. @param start what its first part has besides: `id`, `type`, `name`. */
export function callPiece(index: number, args: string, start: object = {}): string {
  const { name, ...more } = start as { name?: string }
  return piece({
    tool_calls: [{ index, ...more, function: { ...(name !== undefined && { name }), arguments: args } }],
  })
}

/** The data of the extra event with usage. */
export function usageEvent(usage: unknown): string {
  return JSON.stringify({
    id: 'c',
    object: 'chat.completion.chunk',
    created: 1,
    model: 'm',
    choices: [],
    usage,
  })
}
