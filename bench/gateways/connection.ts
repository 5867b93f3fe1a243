// One client connection over HTTP/1.1 that is kept alive: one call at a time, each answer checked.
import { connect, type Socket } from 'node:net'
import { MessageReader } from './message-reader.ts'
import { type Format, marker, StreamCheck } from './wire.ts'

/** What a right answer to a call looks like. */
export type Expected =
  | { readonly kind: 'whole' }
  | { readonly kind: 'stream'; readonly events: number; readonly format: Format }
  /** A whole answer with one of these statuses, whatever it says. */
  | { readonly kind: 'status'; readonly oneOf: readonly number[] }

export interface CallSink {
  /** Numbered events of a stream that came in one read. */
  onEvents?(count: number): void
  /** @param fault why the answer was wrong; undefined when it was right. */
  onEnd(fault: string | undefined): void
}

const whole: Expected = { kind: 'whole' }

export class Connection {
  readonly #port: number
  #socket: Socket | undefined
  #sink: CallSink | undefined
  #expected: Expected = whole
  #status = 0
  #pieces: Buffer[] = []
  #stream: StreamCheck | undefined

  constructor(port: number) {
    this.#port = port
  }

  /** Opens the connection first when there is none. */
  call(request: Buffer, expected: Expected, sink: CallSink): void {
    this.#sink = sink
    this.#expected = expected
    this.#pieces = []
    this.#stream = expected.kind === 'stream' ? new StreamCheck(expected.format) : undefined
    this.#socket ??= this.#open()
    this.#socket.write(request)
  }

  close(): void {
    this.#sink = undefined
    this.#socket?.destroy()
  }

  /** Closes without a trace: thousands of closed connections would be in the kernel's tables for another minute. */
  reset(): void {
    this.#sink = undefined
    this.#socket?.resetAndDestroy()
  }

  #open(): Socket {
    const socket = connect({ port: this.#port, host: '127.0.0.1', noDelay: true })
    const reader = new MessageReader({
      onHead: (head) => (this.#status = Number(head.slice(9, 12))),
      onBody: (piece) => {
        if (this.#stream === undefined) this.#pieces.push(piece)
        else this.#takeEvents(this.#stream, piece)
      },
      onEnd: () => this.#end(this.#fault()),
    })
    socket.on('data', (data: Buffer) => reader.push(data))
    socket.on('error', (error: NodeJS.ErrnoException) => this.#lose(socket, error.code ?? error.message))
    socket.on('close', () => {
      reader.close()
      this.#lose(socket, 'closed by the other end')
    })
    return socket
  }

  #takeEvents(stream: StreamCheck, piece: Buffer): void {
    const count = stream.take(piece)
    if (count > 0) this.#sink?.onEvents?.(count)
  }

  #fault(): string | undefined {
    const { kind } = this.#expected
    if (kind === 'status') {
      return this.#expected.oneOf.includes(this.#status) ? undefined : `status ${this.#status}`
    }
    if (this.#status !== 200) return `status ${this.#status}`
    if (kind === 'whole') return this.#hasMarker() ? undefined : 'wrong answer'
    const { events, isDone, isWrong } = this.#stream!
    if (isWrong) return 'events out of order'
    if (this.#expected.kind === 'stream' && events !== this.#expected.events) return `${events} events`
    return isDone ? undefined : 'no end of the stream'
  }

  #hasMarker(): boolean {
    const body = this.#pieces.length === 1 ? this.#pieces[0]! : Buffer.concat(this.#pieces)
    return body.includes(marker)
  }

  /** A socket is lost once, and never takes the place of the one that was opened after it. */
  #lose(socket: Socket, fault: string): void {
    if (this.#socket !== socket) return
    this.#socket = undefined
    this.#end(fault)
  }

  #end(fault: string | undefined): void {
    const sink = this.#sink
    this.#sink = undefined
    sink?.onEnd(fault)
  }
}
