// Writes JSON in which some values are bytes that stand already: a translation writes ordinary objects, with views on the
// request where a value goes over as it is.
import { JsonView } from './view.ts'

/** Everything that `encodeJson` writes. Members that are undefined are left out, as by JSON.stringify. */
export type Encodable =
  | null
  | boolean
  | number
  | string
  | JsonView
  | JoinedText
  | TextOfJson
  | readonly Encodable[]
  | { readonly [name: string]: Encodable | undefined }

/** A string put together from texts and from strings of a body, whose escapes stay as they were written. */
export class JoinedText {
  readonly parts: readonly TextPart[]

  /** @param parts one by one, or in lists: a request may have more of them than a call may have arguments. */
  constructor(...parts: readonly (TextPart | readonly TextPart[])[]) {
    this.parts = parts.flat()
  }
}

/** A text, a view on a string, or bytes of a string as JSON has them, without quotes. */
type TextPart = string | JsonView | Buffer

/** A string that holds a value's JSON as it was written: arguments, which one format has as an object and another as a text. */
export class TextOfJson {
  readonly view: JsonView

  constructor(view: JsonView) {
    this.view = view
  }
}

/** The JSON as consecutive parts: large values of views share their memory, everything between them is one part. */
export function encodeJson(value: Encodable): Buffer[] {
  const writer = new Writer()
  writer.write(value)
  return writer.finish()
}

/** The JSON as one piece. A long one has memory of exactly its size. */
export function encodeWhole(value: Encodable): Buffer {
  const parts = encodeJson(value)
  const first = parts[0]!
  return parts.length === 1 && first.length <= maxCopiedBytes ? first : Buffer.concat(parts)
}

/** A text that JSON writes as it is: nearly every name of a member, and names of roles and types. */
const plain = /^\w+$/

function quoted(text: string): string {
  return plain.test(text) ? `"${text}"` : JSON.stringify(text)
}

/** Longer bytes are parts of their own. */
const maxCopiedBytes = 4096
const minStoreBytes = 1024
const noBytes: Buffer = Buffer.alloc(0)

class Writer {
  readonly #parts: Buffer[] = []
  /** Text that is not in the store yet. */
  #text = ''
  /** The part that is being written, and how much of it is. */
  #store = noBytes
  #length = 0

  write(value: Encodable): void {
    if (typeof value === 'string') this.#text += quoted(value)
    else if (typeof value !== 'object' || value === null) this.#text += JSON.stringify(value)
    else if (value instanceof JsonView) this.#view(value)
    else if (Array.isArray(value)) this.#list(value)
    else if (value instanceof JoinedText) this.#joined(value)
    else if (value instanceof TextOfJson) this.#text += JSON.stringify(value.view.raw.toString())
    else this.#object(value as Record<string, Encodable>)
  }

  finish(): Buffer[] {
    this.#flush()
    this.#endPart()
    return this.#parts
  }

  #list(values: readonly Encodable[]): void {
    this.#text += '['
    for (let index = 0; index < values.length; index += 1) {
      if (index > 0) this.#text += ','
      this.write(values[index]!)
    }
    this.#text += ']'
  }

  #object(members: Record<string, Encodable | undefined>): void {
    let separator = '{'
    for (const name in members) {
      const value = members[name]
      if (value === undefined) continue
      this.#text += separator
      this.#text += `${quoted(name)}:`
      separator = ','
      this.write(value)
    }
    this.#text += separator === '{' ? '{}' : '}'
  }

  #joined({ parts }: JoinedText): void {
    this.#text += '"'
    for (const part of parts) {
      if (typeof part === 'string') this.#text += JSON.stringify(part).slice(1, -1)
      else this.#bytes(part instanceof JsonView ? part.rawText : part)
    }
    this.#text += '"'
  }

  #view(view: JsonView): void {
    const length = view.end - view.start
    if (length > maxCopiedBytes) return this.#bytes(view.raw)
    this.#flush()
    this.#reserve(length)
    view.copyTo(this.#store, this.#length)
    this.#length += length
  }

  #bytes(bytes: Buffer): void {
    this.#flush()
    if (bytes.length > maxCopiedBytes) {
      this.#endPart()
      this.#parts.push(bytes)
      return
    }
    this.#reserve(bytes.length)
    this.#length += bytes.copy(this.#store, this.#length)
  }

  #flush(): void {
    if (this.#text === '') return
    // A UTF-16 unit is at most three bytes of UTF-8.
    this.#reserve(3 * this.#text.length)
    this.#length += this.#store.write(this.#text, this.#length)
    this.#text = ''
  }

  #reserve(bytes: number): void {
    const needed = this.#length + bytes
    if (needed <= this.#store.length) return
    const larger = Buffer.allocUnsafe(Math.max(minStoreBytes, 2 * needed))
    this.#store.copy(larger, 0, 0, this.#length)
    this.#store = larger
  }

  #endPart(): void {
    if (this.#length === 0) return
    this.#parts.push(this.#store.subarray(0, this.#length))
    this.#store = noBytes
    this.#length = 0
  }
}
