// A request's body as one buffer. A large one is put together and scanned piece by piece, as it comes, a little in each
// turn of the event loop; its client is read from no faster than that.
import type { IncomingMessage } from 'node:http'
import { ByteCollector } from '../http/byte-collector.ts'
import type { ScanOutcome } from '../http/json-types.ts'
import { type BodyMemory, freePiece, LargeBody, maxSmallBytes } from '../http/large-body.ts'
import type { Turns } from './time-slicer.ts'

/** Reads a body as far as it has come: `JsonScanner`. */
interface ArrivalScanner {
  readTo(limit: number): ScanOutcome | undefined
}

export interface BodyTaker {
  readonly maxBytes: number
  readonly turns: Turns
  readonly memory: BodyMemory
  /** Who scans a large body as it arrives. */
  readonly scannerOf: (bytes: Buffer) => ArrivalScanner | undefined
  /** The body is whole. Not called when the client leaves before that. */
  readonly onBody: (body: Buffer | LargeBody) => void
  /** More has come than may. Called once, and nothing after it. */
  readonly onTooLarge: () => void
  /** The connection broke within the body. (One that ends in order there is no HTTP, which the parser tells.) */
  readonly onBroken: () => void
}

/** The parser sees to it that a body is as long as its `content-length`, which is known to be within `maxBytes`. */
export function readBody(request: IncomingMessage, taker: BodyTaker): void {
  request.on('error', () => {
    if (request.socket.errored !== null) taker.onBroken()
  })
  const length = request.headers['content-length']
  if (length === undefined) readUnmeasured(request, taker)
  else if (Number(length) <= maxSmallBytes) readSmall(request, Number(length), taker)
  else readLarge(request, Number(length), taker)
}

function readSmall(request: IncomingMessage, length: number, { onBody }: BodyTaker): void {
  let body: Buffer | undefined
  let filled = 0
  request.on('data', (piece: Buffer) => {
    if (piece.length === length) body = piece
    else {
      body ??= Buffer.allocUnsafeSlow(length)
      filled += piece.copy(body, filled)
    }
  })
  request.on('end', () => onBody(body ?? empty))
}

function readLarge(request: IncomingMessage, length: number, taker: BodyTaker): void {
  // Whoever sends no more than a head gets no memory.
  request.once('data', (first: Buffer) => {
    readArrival(request, new Arrival(length, taker), taker, first)
  })
}

function readArrival(
  request: IncomingMessage,
  arrival: Arrival,
  { turns, onBody }: BodyTaker,
  first: Buffer,
): void {
  const goOn = () => {
    if (arrival.hasReadAll()) request.resume()
    else turns.wait(goOn)
  }
  const finish = () => {
    if (arrival.hasReadAll()) onBody(arrival.body())
    else turns.wait(finish)
  }
  const take = (piece: Buffer) => {
    arrival.take(piece)
    if (arrival.hasReadAll()) return
    request.pause()
    turns.wait(goOn)
  }
  request.on('data', take)
  // Comes to a request that is paused, too.
  request.on('end', finish)
  take(first)
}

/** How long it is shows at the end only. */
function readUnmeasured(request: IncomingMessage, taker: BodyTaker): void {
  const collector = new ByteCollector()
  const take = (piece: Buffer) => {
    collector.push(piece)
    if (collector.length <= taker.maxBytes) return
    collector.takePieces()
    request.off('data', take)
    request.off('end', end)
    taker.onTooLarge()
  }
  const end = () => {
    const { length } = collector
    if (length > maxSmallBytes) join(collector.takePieces(), new Arrival(length, taker), taker)
    else taker.onBody(collector.take())
  }
  request.on('data', take)
  request.on('end', end)
}

function join(pieces: readonly Buffer[], arrival: Arrival, { turns, onBody }: BodyTaker): void {
  let next = 0
  const goOn = () => {
    while (arrival.hasReadAll()) {
      if (next === pieces.length) return onBody(arrival.body())
      arrival.take(pieces[next++]!)
    }
    turns.wait(goOn)
  }
  goOn()
}

/** Scanned without a look at the clock. Before the scan is compiled, even that takes a millisecond or two. */
const stepBytes = 8192

/** A large body on its way in. */
class Arrival {
  readonly #bytes: Buffer
  readonly #memory: BodyMemory
  readonly #turns: Turns
  readonly #scanner: ArrivalScanner | undefined
  #scan: ScanOutcome | undefined
  #filled = 0
  #read = 0

  constructor(length: number, { memory, turns, scannerOf }: BodyTaker) {
    this.#memory = memory
    this.#bytes = memory.take(length)
    this.#turns = turns
    this.#scanner = scannerOf(this.#bytes)
  }

  /** @param piece is empty afterwards. */
  take(piece: Buffer): void {
    this.#filled += piece.copy(this.#bytes, this.#filled)
    freePiece(piece)
  }

  /** Scans what has come. False: the turn is over, before that or with it. */
  hasReadAll(): boolean {
    while (!this.#turns.isSpent()) {
      if (this.#read === this.#filled) return true
      this.#read = Math.min(this.#read + stepBytes, this.#filled)
      this.#scan = this.#scanner?.readTo(this.#read)
    }
    return false
  }

  /** Once all has come and was read. */
  body(): LargeBody {
    return new LargeBody(this.#bytes, this.#scan, this.#memory)
  }
}

const empty = Buffer.alloc(0)
