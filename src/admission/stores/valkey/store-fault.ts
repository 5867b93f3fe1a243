// Why something that was asked of the store has no result. Its texts have no key, argument or credential in them: errors of
// the client library carry whole commands, so none of them gets any further.
import { printable } from '../../../platform/printable.ts'
import { errorOf } from '../../../platform/thrown.ts'

export type StoreFaultKind =
  /** There is no connection, or it has not joined. */
  | 'down'
  /** No reply in time; it may have run. */
  | 'timeout'
  /** The server or the script answered with an error. */
  | 'refused'
  /** What came is no reply, or none to what was asked: the server is none of ours, or a script of another version has its place. */
  | 'garbled'

export class StoreFault extends Error {
  override readonly name = 'StoreFault'
  readonly kind: StoreFaultKind
  /** The first word of the server's error, such as `OOM`, `READONLY` or `OUTDATED`. Undefined for the other kinds. */
  readonly code: string | undefined

  constructor(kind: StoreFaultKind, message: string, code?: string) {
    super(message)
    this.kind = kind
    this.code = code
  }
}

/** What became of a command, by what the client library rejected it with. */
export function faultOf(error: unknown): StoreFault {
  if (error instanceof StoreFault) return error
  const { name, message } = errorOf(error)
  if (name !== 'ReplyError') return new StoreFault('down', 'the connection has ended')
  return refusal(message)
}

/** @param message of the server or of a script: its first word is a code, or it has none. */
export function refusal(message: string): StoreFault {
  const [code] = /^[A-Z]+\b/.exec(message) ?? ['ERR']
  // The server's words are of whoever sits on its port.
  return new StoreFault('refused', printable(message.slice(0, 300)), code)
}
