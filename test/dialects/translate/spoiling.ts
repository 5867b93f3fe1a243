// Ways to spoil bodies and streams of events: in their JSON, in the way it is written, in the order of events, in their bytes.
import { parseJson } from '../../../src/bytes/json/parse.ts'
import type { Random } from '../../support/random.ts'

/** ES2026, which TypeScript's library lacks. */
const { isRawJSON, rawJSON } = JSON as unknown as {
  readonly isRawJSON: (value: unknown) => boolean
  readonly rawJSON: (text: string) => object
}

/** What a run spoils: the text of a body or a stream, and further ones from which pieces are borrowed. */
export class Spoiler {
  readonly #bodies: readonly string[]
  readonly #streams: readonly string[]

  constructor(bodies: readonly string[], streams: readonly string[]) {
    this.#bodies = bodies
    this.#streams = streams
  }

  body(text: string, random: Random): Buffer {
    if (random.has(0.15)) return spoiledBytes(Buffer.from(text), random)
    const value: unknown = JSON.parse(text)
    for (let count = random.below(4); count > 0; count -= 1) this.#spoilOne(value, random)
    return Buffer.from(written(value, random))
  }

  stream(text: string, random: Random): Buffer {
    if (random.has(0.1)) return spoiledBytes(Buffer.from(text), random)
    const events = text.split(/(?<=\n\n)/)
    for (let count = random.below(4); count > 0 && events.length > 0; count -= 1) {
      this.#spoilEvents(events, random)
    }
    const all = events.join('')
    return Buffer.from(random.has(0.05) ? all.replaceAll('\n', random.pick(['\r\n', '\r'])) : all)
  }

  #spoilEvents(events: string[], random: Random): void {
    const at = random.below(events.length)
    const event = events[at]!
    const data = /^data: (\{.*\})$/m.exec(event)?.[1]
    const orders: readonly (() => void)[] = [
      () => events.splice(at, 1),
      () => events.splice(random.below(events.length), 0, event),
      () => events.splice(random.below(events.length), 0, ...events.splice(at, 1)),
      () => (events.length = at),
      () => events.splice(at, 0, random.pick(this.#eventsOf(random.pick(this.#streams)))),
      () => events.splice(at, 0, random.pick(oddEvents)),
      () => (events[at] = event.replace(/^event: .*$/m, () => random.pick(oddNames))),
      () =>
        (events[at] = event.replace('data: ', () => random.pick(['data:', 'data: \ndata: ', 'dat: ', '']))),
    ]
    if (data === undefined || random.has(0.4)) return void random.pick(orders)()
    const value: unknown = parseJson(Buffer.from(data))
    // It was spoiled before.
    if (value === undefined) return
    this.#spoilOne(value, random)
    events[at] = event.replace(data, () => written(value, random))
  }

  #eventsOf(stream: string): readonly string[] {
    return stream.split(/(?<=\n\n)/)
  }

  /** Replaces, removes or doubles one value somewhere within. */
  #spoilOne(value: unknown, random: Random): void {
    let holder = value as Record<string, unknown> | unknown[]
    for (let depth = 0; depth < 12; depth += 1) {
      const keys = Object.keys(holder)
      if (keys.length === 0) return
      const key = random.pick(keys) as keyof typeof holder
      const inner: unknown = holder[key]
      if (typeof inner === 'object' && inner !== null && !isRawJSON(inner) && random.has(0.75)) {
        holder = inner as Record<string, unknown>
        continue
      }
      const move = random.below(5)
      if (move === 0) {
        if (Array.isArray(holder)) holder.splice(Number(key), 1)
        else Reflect.deleteProperty(holder, key)
      } else if (move === 1 && Array.isArray(holder)) holder.push(inner)
      else if (move === 1) (holder as Record<string, unknown>)[random.pick(oddMembers)] = inner
      else holder[key] = (move === 2 ? this.#borrowed(random) : odd(inner, random)) as never
      return
    }
  }

  /** A value from somewhere in another body. */
  #borrowed(random: Random): unknown {
    let value: unknown = JSON.parse(random.pick(this.#bodies))
    while (typeof value === 'object' && value !== null && random.has(0.8)) {
      const inner: readonly unknown[] = Object.values(value)
      if (inner.length === 0) break
      value = random.pick(inner)
    }
    return value
  }
}

// ── Values ──────────────────────────────────────────────────────────────────────────────────────────────────────────

function nested(depth: number, inner: unknown, isList: boolean): unknown {
  let value = inner
  for (let level = 0; level < depth; level += 1) value = isList ? [value] : { a: value }
  return value
}

/** In place of this value: of another kind, or beyond what it may be. */
function odd(value: unknown, random: Random): unknown {
  if (typeof value === 'number' && random.has(0.5)) return rawJSON(random.pick(oddNumbers))
  if (typeof value === 'string' && random.has(0.3)) return `${value}${random.pick(oddTexts)}`
  if (random.has(0.03)) return nested(random.pick([60, 1_000, 3_000]), value, random.has(0.5))
  if (random.has(0.1)) return { type: random.pick(oddTypes), text: value, content: value, input: value }
  return random.pick(oddValues)()
}

const oddNumbers = [
  '-1',
  '1.5',
  '1e30',
  '1e400',
  '-0',
  '9007199254740993',
  '0.1e-400',
  '123456789012345678901',
]
const oddTexts = [
  '',
  ' ',
  '\u0000',
  '\ud800',
  '\udc00x',
  '\u2028',
  '"\\',
  '\n\ndata: x\n\n',
  'x'.repeat(70_000),
]
const oddTypes = ['', 'text', 'tool_use', 'tool_result', 'image', 'document', 'thinking', 'redacted_thinking']
  .concat([
    'function',
    'custom',
    'namespace',
    'web_search',
    'mcp_list_tools',
    'input_text',
    'output_text',
    'refusal',
  ])
  .concat([
    'message',
    'reasoning',
    'function_call',
    'function_call_output',
    'computer_call',
    'file',
    'input_audio',
  ])
  .concat([
    'server_tool_use',
    'code_execution_tool_result',
    'video_url',
    'auto',
    'any',
    'none',
    'x'.repeat(300),
  ])

const oddValues: readonly (() => unknown)[] = [
  () => null,
  () => true,
  () => false,
  () => 0,
  () => -1,
  () => 1.5,
  () => rawJSON('1e400'),
  () => '',
  () => ' ',
  () => 'x'.repeat(5_000),
  () => '\u0000\ud800"\\',
  () => '{"a":',
  () => '[DONE]',
  () => 'data:image/png;base64,',
  () => 'data:;base64,%%%',
  () => [],
  () => [null],
  () => [[]],
  () => ({}),
  () => ({ type: null }),
  () => ({ type: 'text' }),
  () => ({ type: 'tool_use' }),
  () => JSON.parse('{"__proto__":{"type":"text"},"constructor":1,"toString":2}'),
]
const oddMembers = [
  '',
  'type',
  'content',
  'text',
  'model',
  'stream',
  'error',
  'tools',
  'input',
  '__proto__',
  'toJSON',
].concat(['constructor', 'index', 'id', 'cache_control', 'extra.member', 'a\nb', 'x'.repeat(300)])

// ── Events ──────────────────────────────────────────────────────────────────────────────────────────────────────────

const oddNames = ['', 'event:', 'event: error', 'event: message_stop', 'event: \ud83d', 'id: 1\nretry: 0']
const oddEvents = [
  'data: [DONE]\n\n',
  'data: [DONE] \n\n',
  'data: {}\n\n',
  'data: []\n\n',
  'data: null\n\n',
  'data: {"error":null}\n\n',
  'data: {"error":"broken"}\n\n',
  'data: {"error":{"message":"gave up","code":529}}\n\n',
  'data: {"choices":[]}\n\n',
  'data: {"choices":[{"index":1,"delta":{"content":"b"}}]}\n\n',
  'data: {"choices":[{"index":0,"finish_reason":"stop"}]}\n\n',
  'data: {"choices":[{"index":0,"delta":{"tool_calls":[{"index":7,"function":{"arguments":"}"}}]}}]}\n\n',
  'data: {"choices":[],"usage":{"prompt_tokens":-1,"completion_tokens":"9"}}\n\n',
  'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"busy"}}\n\n',
  'event: message_stop\ndata: {"type":"message_stop"}\n\n',
  'event: content_block_stop\ndata: {"type":"content_block_stop","index":0}\n\n',
  'event: content_block_delta\ndata: {"type":"content_block_delta","index":9,"delta":{"type":"text_delta","text":"x"}}\n\n',
  'event: ping\ndata: {"type":"ping"}\n\n',
  'event: response.completed\ndata: {"type":"response.completed","response":{}}\n\n',
  ': comment\n\n',
  ':\n',
  '\n',
  'data\n\n',
  'error: {"code":500,"message":"broken"}\n\n',
  '{"error":{"message":"broken"}}\n\n',
  `data: {"choices":[{"index":0,"delta":{"content":"${'x'.repeat(70_000)}"}}]}\n\n`,
]

// ── Texts and bytes ─────────────────────────────────────────────────────────────────────────────────────────────────

/** As JSON, sometimes as only few writers write it: with doubled members, escapes and spaces. */
function written(value: unknown, random: Random): string {
  if (!random.has(0.25)) return JSON.stringify(value)
  const text = JSON.stringify(value, undefined, random.pick([0, 0, 1]))
  const rewrites: readonly (() => string)[] = [
    // The first or the last of two counts, and for some both do.
    () => text.replace(pickMember(text, random), (member) => `${member}null,${member}`),
    () =>
      text.replace(
        pickMember(text, random),
        (member) => `"${random.pick(oddMembers.slice(0, 9))}":{},${member}`,
      ),
    () => text.replaceAll('e', '\\u0065'),
    () => text.replaceAll('/', '\\/').replaceAll('"type"', '"\\u0074ype"'),
    () =>
      text.replace(/"(?=[:,}\]])/, () =>
        random.pick(['\\u00', '\\x41"', '\\', '\\ud800"', '\\ud800\\ud800"', '\t"']),
      ),
    () => text.replace(/([[{,:])/g, '$1 \t\r '),
  ]
  // Within a stream a line break would end the field.
  return random.pick(rewrites)().replaceAll('\n', '').replaceAll('\r', '')
}

/** A member's name with its colon, as it stands somewhere in the text. */
function pickMember(text: string, random: Random): string {
  const names = text.slice(0, 20_000).match(/"\w{1,30}":/g) ?? ['{']
  return random.pick(names)
}

const pieces = ['', '"', '\\', '{', '}', '[', ']', ',', ':', '\n', '\n\n', '\r', '0', 'data: ', 'null', ': ']
  .map((text) => Buffer.from(text))
  .concat(
    [[0xff], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xf0, 0x9f], [0xef, 0xbb, 0xbf], [0], [0x7f]].map(
      Buffer.from,
    ),
  )

function spoiledBytes(bytes: Buffer, random: Random): Buffer {
  let result = bytes
  for (let count = 1 + random.below(3); count > 0; count -= 1) {
    const at = random.below(result.length)
    const rest = result.subarray(at + random.below(4))
    result = Buffer.concat([result.subarray(0, at), random.pick(pieces), rest])
    if (random.has(0.15)) result = result.subarray(0, random.below(result.length + 1))
  }
  return result
}
