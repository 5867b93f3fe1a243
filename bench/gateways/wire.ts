// What the load generator and the scripted upstream agree on: the bodies of calls, and the answers to them.
//
// A call says in `user`, which is an ordinary parameter that gateways pass on, which answer it wants. In other formats than
// chat it stands in the prompt: Anthropic's Messages have no such parameter, and not every translation keeps it.
import { createHash } from 'node:crypto'

/** Stands in every whole answer, and must come back. */
export const marker = 'This sentence came all the way from the scripted upstream.'

/** What a client speaks, and what an upstream answers in (`formats.ts`). */
export type Format = 'chat' | 'completions' | 'embeddings' | 'messages' | 'ollama_chat' | 'responses'

const never = /(?!)/g

/** Events with their numbers in a stream. Some gateways write JSON with blanks. */
const eventMarks: Readonly<Record<Format, RegExp>> = {
  chat: /"content": ?"w(\d{6})/g,
  completions: /"text": ?"w(\d{6})/g,
  embeddings: never,
  messages: /"text": ?"w(\d{6})/g,
  ollama_chat: /"content": ?"w(\d{6})/g,
  responses: /"delta": ?"w(\d{6})/g,
}
/** Stands at the end of a stream. */
const endMarks: Readonly<Record<Format, RegExp>> = {
  chat: /data: \[DONE\]/,
  completions: /data: \[DONE\]/,
  embeddings: never,
  messages: /"type": ?"message_stop"/,
  ollama_chat: /"done": ?true/,
  responses: /"type": ?"response\.completed"/,
}
const eventDigits = 6
/** No mark is longer. */
const markBytes = 40

export type Script =
  | { readonly kind: 'plain' }
  /** A whole answer after so long. */
  | { readonly kind: 'late'; readonly delayMs: number }
  /** A whole answer, if at least so many bytes of body came; else 500. */
  | { readonly kind: 'big'; readonly bytes: number }
  /** So many events, one after the other, `gapMs` apart; 0: all in one write. */
  | { readonly kind: 'stream'; readonly events: number; readonly gapMs: number }
  /** One event at once, the others when the upstream is told to release. */
  | { readonly kind: 'hold'; readonly events: number }
  /** A refusal with this status. */
  | { readonly kind: 'refuse'; readonly status: number }
  /** The digest of the messages that came. */
  | { readonly kind: 'digest' }
  /** The digest of what the messages say, in whatever form they came. */
  | { readonly kind: 'turns' }

export function writeScript(script: Script): string {
  return Object.values(script).join('-')
}

/** @returns undefined for what is no script. */
export function readScript(text: string): Script | undefined {
  const [kind, first, second] = text.split('-')
  const [a, b] = [Number(first), Number(second)]
  if (kind === 'plain' || kind === 'digest' || kind === 'turns') return { kind }
  if (kind === 'late' && a >= 0) return { kind, delayMs: a }
  if (kind === 'big' && a >= 0) return { kind, bytes: a }
  if (kind === 'stream' && a > 0 && b >= 0) return { kind, events: a, gapMs: b }
  if (kind === 'hold' && a > 0) return { kind, events: a }
  if (kind === 'refuse' && a >= 400) return { kind, status: a }
  return undefined
}

export function isStreamed({ kind }: Script): boolean {
  return kind === 'stream' || kind === 'hold'
}

/** A prompt that says which answer it wants. */
export function promptOf(script: Script): string {
  return `script=${writeScript(script)} ${question}`
}

/** An OpenAI chat call; `bulkBytes` of base64 image come with it when above 0. */
export function chatBody(model: string, script: Script, bulkBytes = 0): string {
  return JSON.stringify({
    model,
    user: writeScript(script),
    ...(isStreamed(script) ? { stream: true } : {}),
    temperature: 0.7,
    messages: messages(bulkBytes),
  })
}

/** The same call as Anthropic's Messages. */
export function messagesBody(model: string, script: Script, bulkBytes = 0): string {
  const text = { type: 'text', text: promptOf(script) }
  const source = { type: 'base64', media_type: 'image/png', data: imageOf(bulkBytes) }
  return JSON.stringify({
    model,
    max_tokens: 1024,
    ...(isStreamed(script) ? { stream: true } : {}),
    temperature: 0.7,
    system: instructions,
    messages: [{ role: 'user', content: bulkBytes === 0 ? [text] : [text, { type: 'image', source }] }],
  })
}

/** What a chat call has to say whose call in another format was translated, as `turnsOf` has it. */
export function expectedTurns(script: Script): readonly Turn[] {
  return [
    { role: 'system', text: instructions },
    { role: 'user', text: promptOf(script) },
  ]
}

export interface Turn {
  readonly role: string
  readonly text: string
}

/** Messages of a chat call without what translators may choose: texts as parts or not, the name of the system's role. */
export function turnsOf(messages: readonly { role?: unknown; content?: unknown }[]): readonly Turn[] {
  return messages.map(({ role, content }) => ({
    role: role === 'developer' ? 'system' : String(role),
    text: Array.isArray(content)
      ? content.map((part: { text?: string }) => part.text ?? '').join('')
      : String(content),
  }))
}

const question =
  'Which of these cities has the oldest underground railway, and how long is it today? '.repeat(3)
export const instructions = 'You are a careful assistant. Answer in one short paragraph.'

function imageOf(bytes: number): string {
  return 'iVBORw0KGgoAAAANSUhEUgAAB9AAAAfQ'.repeat(Math.ceil(bytes / 32)).slice(0, bytes)
}

export function messages(bulkBytes: number): readonly object[] {
  const system = { role: 'system', content: instructions }
  if (bulkBytes === 0) return [system, { role: 'user', content: question }]
  const parts = [
    { type: 'text', text: question },
    { type: 'image_url', image_url: { url: `data:image/png;base64,${imageOf(bulkBytes)}` } },
  ]
  return [system, { role: 'user', content: parts }]
}

export function digestOf(messages: unknown): string {
  return createHash('sha256').update(JSON.stringify(messages)).digest('hex')
}

export interface Addressing {
  readonly port: number
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
}

/** The bytes of a request over HTTP/1.1, head and body, in one buffer. */
export function requestBytes({ port, path, headers }: Addressing, body: string): Buffer {
  const all = {
    host: `127.0.0.1:${port}`,
    'user-agent': 'OpenAI/Python 2.8.1',
    accept: 'application/json',
    'content-type': 'application/json',
    authorization: 'Bearer none',
    ...headers,
    'content-length': String(Buffer.byteLength(body)),
  }
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`)
  return Buffer.from(`POST ${path} HTTP/1.1\r\n${lines.join('')}\r\n${body}`)
}

/** The text of the event with this number, from 0 on. */
export function eventText(index: number): string {
  return `w${String(index).padStart(eventDigits, '0')} `
}

/** Follows a stream as it comes in, however it is cut. */
export class StreamCheck {
  /** Numbered events that came, all in order. */
  events = 0
  isDone = false
  /** True once an event was missing or out of order. */
  isWrong = false
  readonly #eventMark: RegExp
  readonly #endMark: RegExp
  #rest = ''

  constructor(format: Format = 'chat') {
    this.#eventMark = eventMarks[format]
    this.#endMark = endMarks[format]
  }

  /** @returns how many numbered events ended in this piece. */
  take(piece: Buffer): number {
    const text = this.#rest + piece.toString('latin1')
    const before = this.events
    const mark = this.#eventMark
    let from = 0
    mark.lastIndex = 0
    for (let found = mark.exec(text); found !== null; found = mark.exec(text)) {
      if (Number(found[1]) !== this.events) this.isWrong = true
      this.events += 1
      from = mark.lastIndex
    }
    this.#rest = text.slice(Math.max(from, text.length - markBytes))
    if (this.#endMark.test(text)) this.isDone = true
    return this.events - before
  }
}
