// What each script of this folder replies, checked before anything of it is used. A reply of another shape comes from a server that
// is none, or that runs something else under the script's hash: the connection ends then, and the store counts as away.
import { type ExchangeReply, readExchangeReplies } from './exchange.ts'
import type { ScriptName } from './script-files.ts'
import { StoreFault } from './store-fault.ts'

export interface ScriptReplies {
  readonly answer: 'full' | 'ok' | 'over'
  readonly ask: 1
  /** A piece; undefined: none waits. */
  readonly collect: string | undefined
  /** Of each scope. */
  readonly exchange: readonly (ExchangeReply | StoreFault)[]
  /** `cursor` is `0` at the end. */
  readonly forget:
    | { readonly isAlive: true }
    | { readonly isAlive: false; readonly cursor: string; readonly changed: number }
  /** Times are the server's, in milliseconds. */
  readonly join: { readonly nowMs: number; readonly graceUntilMs: number; readonly members: number }
  /** The time. */
  readonly leave: number
  readonly look: LookReply
  readonly 'publish-keys': {
    readonly kind: 'more' | 'newer' | 'restart' | 'stored'
    readonly generation: number
    readonly digest: string
  }
  readonly 'read-keys': {
    readonly generation: number
    readonly size: number
    readonly digest: string
    readonly machines: number
    readonly inForce: number
    readonly piece: string
  }
  /** Undefined: nobody waits for an answer. */
  readonly 'read-question': string | undefined
}

interface LookReply {
  readonly nowMs: number
  /** Members, then each of the scopes: names and values of their fields. */
  readonly fields: readonly (readonly (readonly [name: string, value: string])[])[]
}

type Args = readonly (string | number)[]

/** What a reply is an answer to. */
interface Asked {
  readonly keys: readonly string[]
  readonly args: Args
}

const readers: { readonly [Name in ScriptName]: (reply: unknown, asked: Asked) => ScriptReplies[Name] } = {
  answer: (reply) => oneOf(reply, ['full', 'ok', 'over']),
  ask: (reply) => (reply === 1 ? reply : wrong()),
  collect: (reply) => textOrNone(reply),
  exchange: (reply, { args }) => readExchangeReplies(reply, args) ?? wrong(),
  forget(reply) {
    const [cursor, changed] = list(reply)
    if (cursor === 'alive') return { isAlive: true }
    // https://valkey.io/commands/scan/: an unsigned number of 64 bits.
    if (!/^\d{1,20}$/.test(text(cursor))) return wrong()
    return { isAlive: false, cursor: text(cursor), changed: whole(changed) }
  },
  join(reply) {
    const [nowMs, graceUntilMs, schema, members] = list(reply, 4).map(whole) as [
      number,
      number,
      number,
      number,
    ]
    return schema >= 0 && members >= 1 ? { nowMs, graceUntilMs, members } : wrong()
  },
  leave: (reply) => whole(reply),
  look(reply, { keys }) {
    const [now, ...hashes] = list(reply, keys.length)
    return { nowMs: whole(now), fields: hashes.map(pairs) }
  },
  'publish-keys'(reply) {
    const [kind, generation, digest] = list(reply, 3)
    return {
      kind: oneOf(kind, ['more', 'newer', 'restart', 'stored']),
      generation: whole(generation),
      digest: text(digest),
    }
  },
  'read-keys'(reply, { args }) {
    const [generation, size, digest, machines, inForce, piece] = list(reply, 6)
    const read = {
      generation: whole(generation),
      size: whole(size),
      digest: text(digest),
      machines: whole(machines),
      inForce: whole(inForce),
      piece: text(piece),
    }
    return read.piece.length <= Number(args[5]) ? read : wrong()
  },
  'read-question': (reply) => textOrNone(reply),
}

/**
 * @param asked the keys and arguments that the script was called with.
 * @throws StoreFault (`garbled`) for what the script does not return. Nothing of the reply is in its text.
 */
export function readReply<Name extends ScriptName>(
  name: Name,
  reply: unknown,
  asked: Asked,
): ScriptReplies[Name] {
  try {
    return readers[name](reply, asked)
  } catch (error) {
    if (!(error instanceof WrongReply)) throw error
    const message = `its reply to ${name} is ${kindOf(reply)} that this script does not return: the server is none that can be used, or something else has changed the script`
    throw new StoreFault('garbled', message)
  }
}

class WrongReply extends Error {}

function wrong(): never {
  throw new WrongReply()
}

function kindOf(reply: unknown): string {
  if (reply === null || reply === undefined) return 'nothing,'
  if (Array.isArray(reply)) return `a list of ${reply.length}`
  return `a ${typeof reply}`
}

function oneOf<Text extends string>(value: unknown, texts: readonly Text[]): Text {
  return texts.find((each) => each === value) ?? wrong()
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : wrong()
}

function textOrNone(value: unknown): string | undefined {
  return value === null ? undefined : text(value)
}

/** At least 0. */
function whole(value: unknown): number {
  return Number.isSafeInteger(value) && (value as number) >= 0 ? (value as number) : wrong()
}

function list(value: unknown, length?: number): readonly unknown[] {
  if (!Array.isArray(value) || (length !== undefined && value.length !== length)) return wrong()
  return value as unknown[]
}

function pairs(value: unknown): [string, string][] {
  const texts = list(value).map(text)
  if (texts.length % 2 === 1) return wrong()
  return Array.from({ length: texts.length / 2 }, (_, at) => [texts[2 * at]!, texts[2 * at + 1]!])
}
