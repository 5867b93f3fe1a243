// The connection to a Valkey or Redis server that several gateways share. It comes and goes without an error of its own: a
// command while it is down fails at once, and what is done then is the caller's decision.
import type { ScriptName } from './script-files.ts'

export interface StoreConnection {
  /** Connected, joined, and no command has timed out since. */
  readonly isUp: boolean
  /** Why not, for people; no address with credentials. Undefined while it is up. */
  readonly fault: string | undefined
  /**
   * Runs one of our scripts by its hash; a server that does not know it gets it, and runs it then. What is run in one turn
   * of the event loop is sent together.
   *
   * Rejects with a `StoreFault` and nothing else. A rejection does not say that the script did not run.
   *
   * @param timeoutMs default: 100.
   */
  run(
    script: ScriptName,
    keys: readonly string[],
    args: readonly (string | number)[],
    timeoutMs?: number,
  ): Promise<unknown>
  /** Called with each message of the channel `{PREFIX}:news`, which comes over a connection of its own. One listener. */
  onNews: ((message: string) => void) | undefined
  /** Called at each change of `isUp`, with no arguments. One listener. */
  onChange: (() => void) | undefined
  /** Leaves, if it is up, and disconnects. Whatever runs fails. */
  close(): Promise<void>
}

/** Why a script has no result. */
export type StoreFaultKind =
  /** There is no connection, or it has not joined. */
  | 'down'
  /** No reply in time; it may have run. */
  | 'timeout'
  /** The server or the script answered with an error. */
  | 'refused'

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
