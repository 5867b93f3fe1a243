// What a client sends on a connection before it has its answer (pipelining, RFC 9112 §9.3.2) stays unparsed until that
// answer has left. So a client that does not read costs no more than the bytes that wait, no two requests of a
// connection are served at once, and what follows the last answer is never looked at (§9.6).
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { freePiece } from '../http/large-body.ts'

/** Of what waits. A client that sends more is not read from, and its leaving shows only with its answer's end. */
const maxWaitingBytes = 16_384

/** Smaller pieces are cheaper left to the garbage collector. */
const minFreedBytes = 16_384

/** Ends a head, and a body in chunks. */
const blankLine = Buffer.from('\r\n\r\n')

/** The requests of each connection of this server come one after the other. */
export function takeTurns(server: Server): void {
  const begin = (request: IncomingMessage, response: ServerResponse) => {
    gateOf(request.socket)?.begin(request, response)
  }
  for (const event of ['request', 'checkContinue', 'checkExpectation']) server.prependListener(event, begin)
}

/** Puts itself between a connection and Node's parser, which has it already. */
export function gateConnection(socket: GatedSocket): void {
  const [parse] = socket.listeners('data')
  if (parse === undefined) throw new Error('node:http does not listen for data')
  const gate = new Gate(socket, parse as (bytes: Buffer) => void)
  socket[gateKey] = gate
  // A listener for data makes Node give up its own short way from the socket to the parser.
  socket.on('data', (bytes: Buffer) => gate.take(bytes))
  socket.off('data', parse as (bytes: Buffer) => void)
  socket.on('resume', () => gate.goOn())
}

/** Nothing more of what comes on the connection is parsed. */
export function stopParsing(socket: Socket): void {
  gateOf(socket)?.stop()
}

const gateKey = Symbol('gate')

type GatedSocket = Socket & { [gateKey]?: Gate }

function gateOf(socket: GatedSocket): Gate | undefined {
  return socket[gateKey]
}

class Gate {
  readonly #socket: Socket
  readonly #parse: (bytes: Buffer) => void
  #waiting: Buffer = empty
  #request: IncomingMessage | undefined
  #response: ServerResponse | undefined
  /** Of a body whose length was given; the rest of its chunk need not be searched. */
  #bodyBytesLeft = 0
  /** How much of a blank line the parser has had by the end of the last piece. */
  #matched = 0
  #isParsing = false
  #hasPaused = false
  #isStopped = false

  constructor(socket: Socket, parse: (bytes: Buffer) => void) {
    this.#socket = socket
    this.#parse = parse
  }

  /** A request's head is complete. */
  begin(request: IncomingMessage, response: ServerResponse): void {
    if (this.#response !== undefined) {
      // The parser and this gate see different ends of a request: nothing here can be trusted any more.
      this.stop()
      this.#socket.destroy()
      return
    }
    this.#request = request
    this.#response = response
    const { headers } = request
    this.#bodyBytesLeft =
      headers['transfer-encoding'] === undefined ? Number(headers['content-length'] ?? 0) : 0
    response.once('close', () => {
      this.#response = undefined
      this.#release()
    })
  }

  take(bytes: Buffer): void {
    if (this.#isStopped) return
    this.#waiting = this.#waiting.length === 0 ? bytes : Buffer.concat([this.#waiting, bytes])
    this.goOn()
  }

  stop(): void {
    this.#isStopped = true
    this.#waiting = empty
  }

  /** Parses what waits, as far as it is its turn. */
  goOn(): void {
    if (this.#isParsing) return
    this.#isParsing = true
    while (this.#waiting.length > 0 && !this.#mustWait()) {
      const bytes = this.#waiting
      const end = this.#nextEnd(bytes)
      this.#waiting = end === bytes.length ? empty : bytes.subarray(end)
      this.#parse(end === bytes.length ? bytes : bytes.subarray(0, end))
      // The parser has copied what it needs.
      if (bytes.length >= minFreedBytes && end === bytes.length) freePiece(bytes)
    }
    this.#isParsing = false
  }

  #mustWait(): boolean {
    const socket = this.#socket
    if (socket.destroyed || !socket.writable) {
      this.stop()
      return true
    }
    const isTaken = this.#response !== undefined && this.#request?.complete === true
    if (!isTaken) return socket.isPaused()
    if (this.#response?.shouldKeepAlive === false) this.stop()
    else if (isNoRequest(this.#waiting)) return false
    else if (this.#waiting.length > maxWaitingBytes && !socket.isPaused()) {
      this.#hasPaused = true
      socket.pause()
    }
    return true
  }

  #release(): void {
    if (this.#hasPaused) {
      this.#hasPaused = false
      this.#socket.resume()
    } else this.goOn()
  }

  /** Where the parser must stop for no second request to be in what it gets. */
  #nextEnd(bytes: Buffer): number {
    if (this.#bodyBytesLeft > 0) {
      const end = Math.min(this.#bodyBytesLeft, bytes.length)
      this.#bodyBytesLeft -= end
      this.#matched = 0
      return end
    }
    let at = 0
    // A blank line that has begun in the piece before.
    while (this.#matched > 0 && at < bytes.length) {
      if (bytes[at] !== blankLine[this.#matched]) {
        this.#matched = 0
        break
      }
      at += 1
      this.#matched = (this.#matched + 1) % blankLine.length
      if (this.#matched === 0) return at
    }
    const found = bytes.indexOf(blankLine)
    if (found >= 0) {
      this.#matched = 0
      return found + blankLine.length
    }
    if (this.#matched === 0) this.#matched = matchedAtEnd(bytes)
    return bytes.length
  }
}

const empty = Buffer.alloc(0)

/** By its first byte: all methods are in capitals. The parser refuses the rest without a second request in it. */
function isNoRequest(bytes: Buffer): boolean {
  const first = bytes[0]!
  return first !== 0x0d && first !== 0x0a && (first < 0x41 || first > 0x5a)
}

function matchedAtEnd(bytes: Buffer): number {
  for (let length = Math.min(blankLine.length - 1, bytes.length); length > 0; length -= 1) {
    if (bytes.subarray(bytes.length - length).equals(blankLine.subarray(0, length))) return length
  }
  return 0
}
