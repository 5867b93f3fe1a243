// The services that the configuration file had when the gateway loaded it. The file alone decides which units can be started and with
// which commands, so a file that others can write is not used at all. One that was edited comes into force when the gateway reloads, and
// one with an error changes nothing, as in the gateway.
import type { Scope } from '../scope.ts'
import type { ConfiguredService } from './unit-commands.ts'

export interface ServiceList {
  readonly manager: Scope
  readonly services: readonly ConfiguredService[]
}

export interface KnownServices extends ServiceList {
  /** Those that the file had before, with another unit or not at all any more: they can still be stopped. */
  readonly former: readonly ConfiguredService[]
}

/** More are forgotten, the oldest first: a gateway stops what it has started soon after the change. */
const maxFormer = 100

export type ReadServices =
  | { readonly kind: 'read'; readonly list: ServiceList }
  /** `message`: a clause that names the file. */
  | { readonly kind: 'untrusted' | 'invalid'; readonly message: string }

export interface ServicesFile {
  /** Differs once the file's content, owner or mode has changed, or whether others can replace it. Undefined: there is no file. */
  version(): string | undefined
  read(): ReadServices
}

export class ConfiguredServices {
  readonly #file: ServicesFile
  readonly #log: (message: string) => void
  #version: string | undefined
  /** What the file had when it was read last. Undefined: it was not read yet. */
  #last: ReadServices | undefined
  /** The list that is in force. */
  #adopted: ServiceList | undefined
  #known: KnownServices | undefined
  #fault: string | undefined

  /** @param log receives why a file is not used, once each. */
  constructor(file: ServicesFile, log: (message: string) => void) {
    this.#file = file
    this.#log = log
  }

  /**
   * The services as of the last `reload`, or of the first file that could be read: the gateway goes by these until it reloads. The same
   * object as before means the same services. Undefined: no file that can be used.
   * @param again a file that was refused is read even if it has not changed: a directory on the way to it may have.
   */
  current({ again = false } = {}): KnownServices | undefined {
    const last = this.#read(again)
    if (this.#known === undefined && last.kind === 'read') this.#adopt(last.list)
    return last.kind === 'untrusted' ? undefined : this.#known
  }

  /** Goes over to what the file has now. One with an error changes nothing. */
  reload(): void {
    const last = this.#read(true)
    if (last.kind === 'read' && last.list !== this.#adopted) this.#adopt(last.list)
  }

  #read(again: boolean): ReadServices {
    const version = this.#file.version()
    const isKnown = this.#last !== undefined && version === this.#version
    if (isKnown && (this.#last!.kind === 'read' || !again)) return this.#last!
    this.#version = version
    const last = this.#file.read()
    this.#last = last
    const fault = last.kind === 'read' ? undefined : last.message
    if (fault !== undefined && fault !== this.#fault) this.#log(fault)
    this.#fault = fault
    return last
  }

  #adopt(list: ServiceList): void {
    this.#adopted = list
    this.#known = { ...list, former: formerOf(this.#known, list) }
  }
}

/** Units belong to a manager: those of another one are forgotten. */
function formerOf(before: KnownServices | undefined, now: ServiceList): readonly ConfiguredService[] {
  if (before === undefined || before.manager !== now.manager) return []
  const units = new Set(now.services.map(({ unit }) => unit))
  return [...before.services, ...before.former].filter(({ unit }) => !units.has(unit)).slice(0, maxFormer)
}
