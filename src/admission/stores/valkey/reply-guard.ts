// What a server sends, looked at before the client library gets it: whoever sits on the port may send anything, and the library
// would collect a reply that does not end. RESP2 alone, since nothing else is asked for (https://valkey.io/topics/protocol/).

export interface ReplyLimits {
  /** Of one reply, as it travels. */
  readonly maxBytes: number
  /** Of one reply: strings, numbers and lists. */
  readonly maxValues: number
}

/** Of a line: an error, or a length. Valkey sends none of more than 64 KiB. */
const maxLineBytes = 64 * 1024
/** CLUSTER SLOTS nests four lists. */
const maxDepth = 8
const [lineFeed, carriageReturn] = [0x0a, 0x0d]
const newsWords = new Set(['message\r\n', 'subscribe\r\n'])
const noNews = 'it sent something else than messages of a channel'
const typeNames = new Map(['+', '-', ':', '$', '*'].map((type) => [type.charCodeAt(0), type]))

/** Follows the bytes of one connection from reply to reply. */
export class ReplyGuard {
  /** Complete so far. */
  replies = 0
  readonly #limits: ReplyLimits
  /** Of the reply that is under way. */
  #bytes = 0
  #values = 0
  /** Of each list that is under way, the outermost first: how many values are to come. */
  readonly #lists: number[] = []
  /** Of a string: bytes to come, its end included. */
  #stringBytes = 0
  /** Of the line that is under way: its type, the digits after it, bytes so far, and whether its last byte was a carriage return. */
  #type: string | undefined
  #digits = ''
  #lineBytes = 0
  #isEnding = false
  #isNews = false
  /** The first word of a message that is under way. */
  #word = ''

  constructor(limits: ReplyLimits) {
    this.#limits = limits
  }

  /** From now on nothing comes but messages of a channel, and errors: the library throws at others (`reply[1].toString()`). */
  expectNews(): void {
    this.#isNews = true
  }

  /** @returns why nothing more may be taken from this connection, these bytes included. Undefined: they may be read. */
  take(chunk: Buffer): string | undefined {
    for (let at = 0; at < chunk.length;) {
      const from = at
      if (this.#stringBytes > 0) {
        at = Math.min(chunk.length, from + this.#stringBytes)
        this.#stringBytes -= at - from
        if (this.#isNews && this.#values === 0) this.#word += chunk.toString('latin1', from, at)
        if (this.#stringBytes === 0) {
          if (this.#isNews && this.#values === 0 && !newsWords.has(this.#word)) return noNews
          this.#endValue()
        }
      } else {
        const feed = chunk.indexOf(lineFeed, from)
        at = feed < 0 ? chunk.length : feed + 1
        const fault = this.#takeLine(chunk.subarray(from, at))
        if (fault !== undefined) return fault
      }
      // At its end, a reply has no bytes any more.
      if (this.#isWithin) this.#bytes += at - from
      if (this.#bytes + this.#stringBytes > this.#limits.maxBytes) return this.#tooLong()
    }
    return undefined
  }

  get #isWithin(): boolean {
    return this.#type !== undefined || this.#stringBytes > 0 || this.#lists.length > 0
  }

  /** A piece of a line, which ends with a line feed or with the chunk. */
  #takeLine(piece: Buffer): string | undefined {
    let text = piece
    if (this.#type === undefined) {
      this.#type = typeNames.get(piece[0]!)
      if (this.#type === undefined) return 'it does not speak RESP'
      text = piece.subarray(1)
    }
    this.#lineBytes += piece.length
    if (this.#lineBytes > maxLineBytes) return `it sent a line of more than ${maxLineBytes} bytes`
    const hasEnded = text.at(-1) === lineFeed
    const isText = this.#type === '+' || this.#type === '-'
    const line = hasEnded ? text.subarray(0, -1) : text
    // The library ends a line at its first carriage return.
    const isEnding = line.length === 0 ? this.#isEnding : line.at(-1) === carriageReturn
    const end = line.at(-1) === carriageReturn ? line.length - 1 : line.length
    if (
      (this.#isEnding && line.length > 0) ||
      line.subarray(0, end).includes(carriageReturn) ||
      (hasEnded && !isEnding)
    )
      return 'it sent a line that ends in the middle'
    this.#isEnding = isEnding
    if (!isText) this.#digits += line.toString('latin1', 0, end)
    if (this.#digits.length > 20) return 'it sent a number that is none'
    return hasEnded ? this.#endLine(this.#type) : undefined
  }

  #endLine(type: string): string | undefined {
    const digits = this.#digits
    this.#type = undefined
    this.#digits = ''
    this.#lineBytes = 0
    this.#isEnding = false
    if (type === '+' || type === '-') {
      if (this.#isNews && (type === '+' || this.#lists.length > 0)) return noNews
      return this.#endValue()
    }
    if (!/^-?\d{1,19}$/.test(digits)) return 'it sent a number that is none'
    const length = Number(digits)
    if (this.#isNews && !this.#mayBeNews(type, length)) return noNews
    if (type === ':') return this.#endValue()
    // -1: there is none.
    if (length < 0) return length === -1 ? this.#endValue() : 'it sent a length below 0'
    if (type === '$') {
      this.#stringBytes = length + 2
      return undefined
    }
    if (length === 0) return this.#endValue()
    const expected = this.#lists.reduce((sum, count) => sum + count, length)
    if (this.#values + expected > this.#limits.maxValues)
      return `it sent a reply of more than ${this.#limits.maxValues} values`
    if (this.#lists.length === maxDepth) return `it sent lists in lists, more than ${maxDepth} deep`
    this.#lists.push(length)
    return undefined
  }

  /** https://valkey.io/topics/pubsub/#format-of-pushed-messages */
  #mayBeNews(type: string, length: number): boolean {
    if (this.#lists.length === 0) return type === '*' && length === 3
    if (this.#values === 0) return type === '$' && length >= 7 && length <= 9
    return (type === '$' && length >= 0) || (type === ':' && this.#values === 2)
  }

  #endValue(): undefined {
    this.#values += 1
    while (this.#lists.length > 0) {
      const left = this.#lists.pop()! - 1
      if (left > 0) {
        this.#lists.push(left)
        return
      }
    }
    this.#bytes = 0
    this.#values = 0
    this.#word = ''
    this.replies += 1
  }

  #tooLong(): string {
    return `it sent a reply of more than ${this.#limits.maxBytes} bytes`
  }
}
