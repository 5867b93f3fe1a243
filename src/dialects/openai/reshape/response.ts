// Responses in their other form: the final event of a stream has the whole response, and a response becomes the events that
// lead to it. https://platform.openai.com/docs/api-reference/responses-streaming
import { type JsonObject, membersOf } from '../../../bytes/json/parse.ts'
import { MemberNames } from '../../../bytes/json/member-names.ts'
import { readString, scanJson } from '../../../bytes/json/scan.ts'
import { type Encodable, encodeWhole } from '../../../bytes/json/encode.ts'
import { type JsonView, viewJson } from '../../../bytes/json/view.ts'
import type { Reshape } from '../../translator.ts'
import { assembledBy, type OutgoingEvent, splitInto } from './forms.ts'

const eventMembers = new MemberNames(['response', 'type'])
const finalTypes: ReadonlySet<string> = new Set(
  ['completed', 'incomplete', 'cancelled'].map((status) => `response.${status}`),
)

export const responseReshape: Reshape = {
  assemble: () => assembledBy(new FinalResponse(withWholeMembers)),

  toWhole: () => assembledBy(new FinalResponse((response) => response)),

  toEvents(value) {
    const response = membersOf(value)
    const { output } = response
    return Array.isArray(output) ? splitInto(eventsOf(response, output)) : undefined
  },
}

class FinalResponse {
  readonly #finish: (response: Buffer) => Buffer
  #whole: Buffer | undefined

  constructor(finish: (response: Buffer) => Buffer) {
    this.#finish = finish
  }

  add(data: Buffer): 'over' | undefined {
    const outcome = scanJson(data, eventMembers)
    if (!outcome.ok) return undefined
    const { response, type } = Object.fromEntries(outcome.scan.members)
    if (response?.kind !== 'object' || type === undefined) return undefined
    if (!finalTypes.has(readString(data, type) ?? '')) return undefined
    this.#whole = Buffer.from(data.subarray(response.value.start, response.value.end))
    return 'over'
  }

  result(): Buffer | undefined {
    return this.#whole && this.#finish(this.#whole)
  }
}

/** Of what llama.cpp has in a whole response, the last event of its stream lacks two members. */
function withWholeMembers(response: Buffer): Buffer {
  const members = viewJson(response).members()
  const created = members.get('created_at')
  const output = members.get('output')?.elements().map(withStatus)
  return encodeWhole({
    ...(created !== undefined && { completed_at: created }),
    ...Object.fromEntries(members),
    ...(output !== undefined && { output }),
  })
}

function withStatus(item: JsonView): Encodable {
  const members = item.members()
  if (members.get('type')?.text() !== 'reasoning' || members.has('status')) return item
  return { ...Object.fromEntries(members), status: 'completed' }
}

function eventsOf(response: JsonObject, output: readonly unknown[]): OutgoingEvent[] {
  const events: OutgoingEvent[] = []
  const add = (type: string, members: object) => {
    events.push({ event: type, data: JSON.stringify({ type, sequence_number: events.length, ...members }) })
  }
  const open = { ...response, status: 'in_progress', output: [], usage: null }
  add('response.created', { response: open })
  add('response.in_progress', { response: open })
  for (const [index, item] of output.entries()) addItem(add, membersOf(item), index)
  const status = typeof response['status'] === 'string' ? response['status'] : 'completed'
  add(`response.${status}`, { response })
  return events
}

type Add = (type: string, members: object) => void

function addItem(add: Add, item: JsonObject, index: number): void {
  const { id, type, content, arguments: args } = item
  const at = { item_id: id, output_index: index }
  const isMessage = type === 'message' && Array.isArray(content)
  const isCall = type === 'function_call' && typeof args === 'string'
  const empty = { ...(isMessage && { content: [] }), ...(isCall && { arguments: '' }) }
  add('response.output_item.added', {
    output_index: index,
    item: { ...item, status: 'in_progress', ...empty },
  })
  if (isMessage) {
    for (const [contentIndex, part] of content.entries())
      addPart(add, membersOf(part), { ...at, content_index: contentIndex })
  }
  if (isCall) {
    add('response.function_call_arguments.delta', { ...at, delta: args })
    add('response.function_call_arguments.done', { ...at, name: item['name'], arguments: args })
  }
  add('response.output_item.done', { output_index: index, item })
}

/** Names of the events that bring a part's text, and of its member. */
const partTexts: ReadonlyMap<unknown, readonly [event: string, member: string]> = new Map([
  ['output_text', ['output_text', 'text']],
  ['refusal', ['refusal', 'refusal']],
])

function addPart(add: Add, part: JsonObject, at: object): void {
  const [event, member] = partTexts.get(part['type']) ?? []
  const text = member === undefined ? undefined : part[member]
  if (event === undefined || member === undefined || typeof text !== 'string') return
  const logprobs = event === 'output_text' ? { logprobs: part['logprobs'] ?? [] } : {}
  add('response.content_part.added', { ...at, part: { ...part, [member]: '' } })
  add(`response.${event}.delta`, { ...at, delta: text, ...logprobs })
  add(`response.${event}.done`, { ...at, [member]: text, ...logprobs })
  add('response.content_part.done', { ...at, part })
}
