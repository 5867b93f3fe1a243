// What Codex needs of a stream of the Responses API, and what OpenAI's own streams keep besides: read as Codex reads it, item
// by item, and compared with the response at the end.
import assert from 'node:assert/strict'
import { eventData, eventName, EventSplitter, isComment } from '../../../src/bytes/sse.ts'

interface Item {
  readonly id: string
  readonly type: string
  readonly [member: string]: unknown
}

interface Response {
  readonly id: string
  readonly status: string
  readonly output: readonly Item[]
  readonly usage: Record<string, unknown> | null
  readonly error: { readonly code: string; readonly message: string } | null
  readonly incomplete_details: { readonly reason: string } | null
}

export interface ResponseEvent {
  readonly type: string
  readonly sequence_number: number
  readonly response?: Response
  readonly item?: Item
  readonly item_id?: string
  readonly output_index?: number
  readonly delta?: string
  readonly content_index?: number
  readonly summary_index?: number
  readonly part?: Readonly<Record<string, unknown>>
  readonly [member: string]: unknown
}

/** What Codex takes from a stream. */
export interface CodexTurn {
  /** Of `response.output_item.done`. */
  readonly items: readonly Item[]
  readonly end: ResponseEvent
}

const endTypes: ReadonlySet<string> = new Set([
  'response.completed',
  'response.failed',
  'response.incomplete',
])

/** The event that brings the whole of what deltas of this type have brought, and its member. */
const wholes: ReadonlyMap<string, readonly [done: string, member: string]> = new Map([
  ['response.custom_tool_call_input.delta', ['response.custom_tool_call_input.done', 'input']],
  ['response.function_call_arguments.delta', ['response.function_call_arguments.done', 'arguments']],
  ['response.output_text.delta', ['response.output_text.done', 'text']],
  ['response.reasoning_summary_text.delta', ['response.reasoning_summary_text.done', 'text']],
  ['response.refusal.delta', ['response.refusal.done', 'refusal']],
])

/** What the gateway sends while a provider is silent, with the number of the event before it. */
const keepalive = 'keepalive'

export function readEvents(stream: string): readonly ResponseEvent[] {
  const events: ResponseEvent[] = []
  const splitter = new EventSplitter()
  const sink = {
    event(bytes: Buffer) {
      if (isComment(bytes)) return
      const event = JSON.parse(eventData(bytes)!.toString()) as ResponseEvent
      assert.equal(eventName(bytes), event.type, 'the name of an event is its type')
      events.push(event)
    },
    overflow: () => assert.fail('an event is too large'),
  }
  splitter.push(Buffer.from(stream), sink)
  splitter.end(sink)
  return events
}

/** Reads a stream to its end, and fails if it breaks a rule. */
export function readAsCodex(stream: string): CodexTurn {
  const events = readEvents(stream)
  const reader = new Reader(events[0]!)
  for (const [number, event] of events.entries()) {
    assert.equal(event.sequence_number, number, `the number of ${event.type}`)
    reader.read(event)
  }
  return reader.turn()
}

/** A stream as far as it has come. */
export interface ReadResponse {
  /** What the model says. */
  readonly text: string
  readonly end: ResponseEvent | undefined
}

/** @throws AssertionError for the first rule that is broken. A stream may lack its end. */
export function readResponse(stream: string): ReadResponse {
  const events = readEvents(stream)
  const numbered = events.filter(({ type }) => type !== keepalive)
  for (const [at, { type, sequence_number: number }] of events.entries()) {
    if (type === keepalive)
      assert.equal(number, events[at - 1]?.sequence_number ?? 0, 'the number is repeated')
  }
  const [first] = numbered
  // A response that nothing was created of before it failed.
  const created = first?.type === 'error' ? { ...first, ...numbered[1], type: 'response.created' } : first
  const reader = created && new Reader(created)
  for (const [at, event] of numbered.entries()) {
    assert.equal(event.sequence_number, at, `the number of ${event.type}`)
    reader!.read(event)
  }
  const end = reader?.end
  const isAtEnd = end === undefined || /\n\n$/.test(stream.slice(stream.lastIndexOf('data: ')))
  assert.ok(isAtEnd && (end === undefined || events.at(-1) === end), 'nothing follows the end')
  const isText = ({ type }: ResponseEvent) => type === 'response.output_text.delta'
  return {
    text: numbered
      .filter(isText)
      .map(({ delta = '' }) => delta)
      .join(''),
    end,
  }
}

class Reader {
  readonly #responseId: string
  readonly #items: Item[] = []
  #count = 0
  readonly #open = new Map<number, Item>()
  /** By the type of the event that is to bring it, and the item. */
  readonly #pieces = new Map<string, string>()
  readonly #parts = new Map<string, unknown>()
  #hasError = false
  #end: ResponseEvent | undefined

  constructor(first: ResponseEvent) {
    assert.equal(first.type, 'response.created')
    this.#responseId = first.response!.id
    assert.match(this.#responseId, /^resp_/)
  }

  read(event: ResponseEvent): void {
    assert.equal(this.#end, undefined, `${event.type} after the end`)
    const { type, response } = event
    if (response !== undefined) assert.equal(response.id, this.#responseId)
    if (this.#hasError)
      assert.equal(type, 'response.failed', 'nothing but the failed response follows an error')
    if (type === 'error') this.#hasError = true
    else if (type === 'response.output_item.added') this.#added(event)
    else if (type === 'response.output_item.done') this.#done(event)
    else if (endTypes.has(type)) this.#ended(event)
    else if (event.output_index !== undefined) this.#piece(event)
    else assert.ok(['response.created', 'response.in_progress'].includes(type), type)
  }

  get end(): ResponseEvent | undefined {
    return this.#end
  }

  turn(): CodexTurn {
    assert.ok(this.#end, 'the stream has no end')
    return { items: this.#items, end: this.#end }
  }

  #added({ output_index: index, item }: ResponseEvent): void {
    assert.equal(index, this.#count++, 'indexes have no gaps')
    this.#open.set(index, item!)
    if (item!.type.endsWith('_call'))
      assert.ok(item!['call_id'] && item!['name'], 'a call has a name from the start')
  }

  #done({ output_index: index, item }: ResponseEvent): void {
    const added = this.#open.get(index!)
    assert.ok(added, 'an item was added before it is done')
    assert.deepEqual([item!.id, item!.type], [added.id, added.type])
    for (const member of ['call_id', 'name', 'namespace']) assert.equal(item![member], added[member], member)
    this.#open.delete(index!)
    this.#items[index!] = item!
    assert.equal(
      [...this.#pieces.keys()].find((key) => key.endsWith(` ${item!.id}`)),
      undefined,
      'deltas without done',
    )
    if (item!.type === 'message') assert.deepEqual(item!['content'], this.#partsOf(item!.id))
    if (item!.type === 'reasoning') assert.deepEqual(item!['summary'], this.#partsOf(item!.id))
  }

  /** An event within an item. */
  #piece(event: ResponseEvent): void {
    const { type, item_id: id, output_index: index, delta, part } = event
    assert.equal(this.#open.get(index!)?.id, id, `${type} is in an open item`)
    const place = `${event.content_index ?? event.summary_index ?? ''} ${id}`
    const [done] = wholes.get(type) ?? []
    if (done !== undefined) {
      const key = `${done} ${place}`
      this.#pieces.set(key, (this.#pieces.get(key) ?? '') + delta!)
      return
    }
    if (part !== undefined) {
      if (type.endsWith('.added')) assert.ok(!this.#parts.has(place), 'a part is added once')
      this.#parts.set(place, part)
      return
    }
    if (type === 'response.output_text.annotation.added') return
    const [, member] = [...wholes.values()].find(([name]) => name === type) ?? []
    assert.ok(member, `${type} is known`)
    assert.equal(
      event[member],
      this.#pieces.get(`${type} ${place}`) ?? '',
      `${type} has the text of its deltas`,
    )
    this.#pieces.delete(`${type} ${place}`)
  }

  #partsOf(id: string): readonly unknown[] {
    return [...this.#parts].filter(([place]) => place.endsWith(` ${id}`)).map(([, part]) => part)
  }

  #ended(event: ResponseEvent): void {
    const { type, response } = event
    this.#end = event
    assert.equal(type, `response.${response!.status}`)
    const done = this.#items.filter(Boolean)
    // The gateway ends a stream that it does not look into.
    const isUnread = type === 'response.failed' && response!.output.length === 0
    if (!isUnread) assert.deepEqual(response!.output, done, 'the end repeats the items that are done')
    if (type === 'response.failed') {
      const { code, message: words } = response!.error!
      assert.ok(code, 'an error has a code')
      assert.equal(typeof words, 'string')
      return
    }
    assert.equal(this.#open.size, 0, 'every item is done')
    assert.equal(response!.incomplete_details === null, type === 'response.completed')
    const { usage } = response!
    if (usage === null) return
    const { input_tokens: input, output_tokens: output, total_tokens: total } = usage
    for (const count of [input, output, total])
      assert.ok(Number.isSafeInteger(count), 'counts are whole numbers')
    assert.equal(total, Number(input) + Number(output))
    const details = usage as Record<string, Record<string, number>>
    assert.ok(Number.isSafeInteger(details['input_tokens_details']!['cached_tokens']))
    assert.ok(Number.isSafeInteger(details['output_tokens_details']!['reasoning_tokens']))
  }
}
