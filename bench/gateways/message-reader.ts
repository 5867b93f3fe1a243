// Reads HTTP/1.1 messages off a connection, requests and answers alike, with as little work as can be: the harness must
// stay cheaper than what it measures. It trusts its two ends and checks no syntax.

/** Told of each part of a message in turn. */
export interface MessageSink {
  /** Start line and headers, lower and upper case as sent. */
  onHead(head: string): void
  onBody(piece: Buffer): void
  onEnd(): void
}

type Phase = 'head' | 'body' | 'size' | 'chunk' | 'chunk-end' | 'trailer'

const headEnd = Buffer.from('\r\n\r\n')
const lineEnd = Buffer.from('\r\n')

export class MessageReader {
  readonly #sink: MessageSink
  #phase: Phase = 'head'
  /** Bytes of the body or the chunk that are still to come; infinite for a body that ends with the connection. */
  #left = 0
  #held: Buffer | undefined

  constructor(sink: MessageSink) {
    this.#sink = sink
  }

  push(data: Buffer): void {
    let rest: Buffer | undefined = this.#held === undefined ? data : Buffer.concat([this.#held, data])
    this.#held = undefined
    while (rest !== undefined && rest.length > 0) rest = this.#step(rest)
  }

  /** The connection ended. */
  close(): void {
    if (this.#phase === 'body' && this.#left === Infinity) this.#end()
  }

  /** @returns what is left to read; undefined when the next step needs more. */
  // oxlint-disable-next-line typescript/consistent-return -- all phases are there
  #step(data: Buffer): Buffer | undefined {
    switch (this.#phase) {
      case 'head':
        return this.#upTo(headEnd, data, (head) => this.#readHead(head))
      case 'size':
        return this.#upTo(lineEnd, data, (line) => {
          this.#left = Number.parseInt(line, 16)
          this.#phase = this.#left === 0 ? 'trailer' : 'chunk'
        })
      case 'chunk-end':
        return this.#upTo(lineEnd, data, () => (this.#phase = 'size'))
      case 'trailer':
        return this.#upTo(lineEnd, data, (line) => {
          if (line === '') this.#end()
        })
      case 'body':
      case 'chunk':
        return this.#readBody(data)
    }
  }

  #upTo(mark: Buffer, data: Buffer, take: (text: string) => void): Buffer | undefined {
    const at = data.indexOf(mark)
    if (at < 0) {
      this.#held = data
      return undefined
    }
    take(data.toString('latin1', 0, at))
    return data.subarray(at + mark.length)
  }

  #readHead(head: string): void {
    if (/^HTTP\/1\.1 1\d\d/.test(head)) return
    const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1]
    this.#sink.onHead(head)
    if (/\r\ntransfer-encoding: *chunked/i.test(head)) {
      this.#phase = 'size'
      return
    }
    this.#left = length === undefined ? (head.startsWith('HTTP/') ? Infinity : 0) : Number(length)
    this.#phase = 'body'
    if (this.#left === 0) this.#end()
  }

  #readBody(data: Buffer): Buffer {
    const piece = data.length <= this.#left ? data : data.subarray(0, this.#left)
    this.#left -= piece.length
    this.#sink.onBody(piece)
    if (this.#left === 0) {
      if (this.#phase === 'chunk') this.#phase = 'chunk-end'
      else this.#end()
    }
    return data.subarray(piece.length)
  }

  #end(): void {
    this.#phase = 'head'
    this.#sink.onEnd()
  }
}
