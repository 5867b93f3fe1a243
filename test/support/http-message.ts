// Reads HTTP/1.1 messages off a byte stream as they arrive, for both ends of the test kit. It is separate from the
// parsers that are tested (Node's, undici's, fastify's), keeps what they hide (case and order of headers, where the
// chunks begin and end) and refuses what it cannot read, instead of guessing.

export interface HttpMessage {
  /** `POST /v1/chat/completions HTTP/1.1` or `HTTP/1.1 200 OK`. */
  readonly startLine: string
  /** Header lines in the order and case of the wire, values trimmed. */
  readonly headers: readonly (readonly [name: string, value: string])[]
  /** Pieces of the body with the framing taken off: what each chunk held, or what each read brought. */
  readonly chunks: readonly Buffer[]
  readonly trailers: readonly (readonly [name: string, value: string])[]
  /** False while it is being read, and for good when the stream ended inside of it. */
  readonly complete: boolean
  /** Everything of the body that came so far. */
  body(): Buffer
  /** The value of a header that stands there once; undefined when it is absent, an error when it is repeated. */
  header(name: string): string | undefined
}

type Framing =
  | { kind: 'head' }
  | { kind: 'length'; left: number }
  | { kind: 'chunk-size' }
  | { kind: 'chunk-data'; left: number }
  | { kind: 'trailers' }
  | { kind: 'until-end' }

/** Feed it with `push` and, at the end of the stream, `end`. Every message is handed over when its head is complete. */
export class MessageReader {
  readonly #onMessage: (message: HttpMessage) => void
  readonly #onComplete: (message: HttpMessage) => void
  readonly #bodyless: (startLine: string) => boolean
  readonly #isResponse: boolean
  #pending: Buffer = Buffer.alloc(0)
  #message: MessageUnderWay | undefined
  #framing: Framing = { kind: 'head' }

  /** `bodyless` names messages without a body in spite of their headers: the response to a HEAD. */
  constructor(options: {
    isResponse: boolean
    onHead?: (message: HttpMessage) => void
    onComplete?: (message: HttpMessage) => void
    bodyless?: (startLine: string) => boolean
  }) {
    this.#isResponse = options.isResponse
    this.#onMessage = options.onHead ?? (() => {})
    this.#onComplete = options.onComplete ?? (() => {})
    this.#bodyless = options.bodyless ?? (() => false)
  }

  push(bytes: Buffer): void {
    this.#pending = this.#pending.length === 0 ? bytes : Buffer.concat([this.#pending, bytes])
    while (this.#step());
  }

  /** The stream has ended: finishes a body that goes on until then. Any other message stays incomplete. */
  end(): void {
    if (this.#framing.kind === 'until-end') this.#complete()
  }

  /** Reads one piece; false when it needs more bytes. */
  #step(): boolean {
    const framing = this.#framing
    switch (framing.kind) {
      case 'head':
        return this.#readHead()
      case 'length':
      case 'chunk-data':
        return this.#readCounted(framing)
      case 'chunk-size':
        return this.#readChunkSize()
      case 'trailers':
        return this.#readTrailer()
      case 'until-end': {
        if (this.#pending.length === 0) return false
        this.#message!.chunks.push(this.#take(this.#pending.length))
        return true
      }
      default:
        return framing satisfies never
    }
  }

  #readHead(): boolean {
    const end = this.#pending.indexOf('\r\n\r\n')
    if (end < 0) return false
    const [startLine = '', ...lines] = this.#take(end + 4)
      .toString('latin1', 0, end)
      .split('\r\n')
    const pattern = this.#isResponse ? /^HTTP\/1\.[01] \d{3}( |$)/ : /^[!-~]+ \S+ HTTP\/1\.[01]$/
    if (!pattern.test(startLine))
      throw new Error(`not the start of an HTTP message: ${JSON.stringify(startLine)}`)
    this.#message = new MessageUnderWay(startLine, lines.map(readHeaderLine))
    this.#framing = this.#framingOf(this.#message)
    this.#onMessage(this.#message)
    if (this.#framing.kind === 'length' && this.#framing.left === 0) this.#complete()
    return true
  }

  #framingOf(message: HttpMessage): Framing {
    const bodyless = this.#bodyless(message.startLine)
    if (bodyless || (this.#isResponse && /^\S+ (1\d\d|204|304)/.test(message.startLine))) {
      return { kind: 'length', left: 0 }
    }
    const coding = message.header('transfer-encoding')
    if (coding !== undefined) {
      if (coding.toLowerCase() !== 'chunked') throw new Error(`transfer-encoding ${coding}`)
      return { kind: 'chunk-size' }
    }
    const length = message.header('content-length')
    if (length === undefined) return this.#isResponse ? { kind: 'until-end' } : { kind: 'length', left: 0 }
    if (!/^\d+$/.test(length)) throw new Error(`content-length ${length}`)
    return { kind: 'length', left: Number(length) }
  }

  #readCounted(framing: { kind: 'length' | 'chunk-data'; left: number }): boolean {
    if (framing.left > 0) {
      if (this.#pending.length === 0) return false
      const piece = this.#take(Math.min(framing.left, this.#pending.length))
      framing.left -= piece.length
      this.#message!.add(piece, framing.kind === 'chunk-data')
    }
    if (framing.left > 0) return true
    if (framing.kind === 'length') {
      this.#complete()
      return true
    }
    if (this.#pending.length < 2) return false
    if (this.#take(2).toString('latin1') !== '\r\n') throw new Error('a chunk is longer than it says')
    this.#framing = { kind: 'chunk-size' }
    return true
  }

  #readChunkSize(): boolean {
    const line = this.#takeLine()
    if (line === undefined) return false
    const size = /^([0-9a-f]+)(;.*)?$/i.exec(line)?.[1]
    if (size === undefined) throw new Error(`not the size of a chunk: ${JSON.stringify(line)}`)
    const left = Number.parseInt(size, 16)
    if (left > 0) this.#message!.beginChunk()
    this.#framing = left === 0 ? { kind: 'trailers' } : { kind: 'chunk-data', left }
    return true
  }

  #readTrailer(): boolean {
    const line = this.#takeLine()
    if (line === undefined) return false
    if (line === '') this.#complete()
    else this.#message!.trailers.push(readHeaderLine(line))
    return true
  }

  #complete(): void {
    const message = this.#message!
    message.complete = true
    this.#message = undefined
    this.#framing = { kind: 'head' }
    this.#onComplete(message)
  }

  #take(length: number): Buffer {
    const piece = this.#pending.subarray(0, length)
    this.#pending = this.#pending.subarray(length)
    return piece
  }

  #takeLine(): string | undefined {
    const end = this.#pending.indexOf('\r\n')
    return end < 0
      ? undefined
      : this.#take(end + 2)
          .subarray(0, end)
          .toString('latin1')
  }
}

class MessageUnderWay implements HttpMessage {
  readonly startLine: string
  readonly headers: readonly (readonly [string, string])[]
  readonly chunks: Buffer[] = []
  readonly trailers: (readonly [string, string])[] = []
  complete = false
  #continuesChunk = false

  constructor(startLine: string, headers: readonly (readonly [string, string])[]) {
    this.startLine = startLine
    this.headers = headers
  }

  beginChunk(): void {
    this.#continuesChunk = false
  }

  /** A chunk may come in several reads and still is one. */
  add(piece: Buffer, isChunked: boolean): void {
    const last = this.chunks.at(-1)
    if (isChunked && this.#continuesChunk && last !== undefined) {
      this.chunks[this.chunks.length - 1] = Buffer.concat([last, piece])
    } else {
      this.chunks.push(piece)
    }
    this.#continuesChunk = isChunked
  }

  body(): Buffer {
    return Buffer.concat(this.chunks)
  }

  header(name: string): string | undefined {
    const values = this.headers.filter(([other]) => other.toLowerCase() === name.toLowerCase())
    if (values.length > 1) throw new Error(`header ${name} stands there ${values.length} times`)
    return values[0]?.[1]
  }
}

function readHeaderLine(line: string): readonly [string, string] {
  const match = /^([^\s:]+):[ \t]*(.*?)[ \t]*$/.exec(line)
  if (match === null) throw new Error(`not a header line: ${JSON.stringify(line)}`)
  return [match[1]!, match[2]!]
}
