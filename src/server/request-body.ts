// A request's body as one buffer. Each piece is copied to its place when it comes, so that a large body never takes the
// event loop for long.
import type { IncomingMessage } from 'node:http'

export interface BodyTaker {
  readonly maxBytes: number
  /** The body is whole. Not called when the client leaves before that. */
  readonly onBody: (body: Buffer) => void
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
  else readMeasured(request, Number(length), taker)
}

function readMeasured(request: IncomingMessage, length: number, { onBody }: BodyTaker): void {
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

function readUnmeasured(request: IncomingMessage, { maxBytes, onBody, onTooLarge }: BodyTaker): void {
  const pieces: Buffer[] = []
  let length = 0
  const take = (piece: Buffer) => {
    length += piece.length
    pieces.push(piece)
    if (length <= maxBytes) return
    request.off('data', take)
    request.off('end', end)
    onTooLarge()
  }
  const end = () => onBody(pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces, length))
  request.on('data', take)
  request.on('end', end)
}

const empty = Buffer.alloc(0)
