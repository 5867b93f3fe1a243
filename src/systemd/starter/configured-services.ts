// The services that the configuration file names now. The file alone decides which units can be started and with which commands, so a
// file that others can write is not used at all. One with an error changes nothing: the services of the last one without stay,
// as in the gateway.
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
  #list: KnownServices | undefined
  #fault: string | undefined
  #hasRead = false

  /** @param log receives why a file is not used, once each. */
  constructor(file: ServicesFile, log: (message: string) => void) {
    this.#file = file
    this.#log = log
  }

  /**
   * Reads the file if it has changed. The same object as before means the same services. Undefined: no file that can be used.
   * @param again a file that was refused is read even if it has not changed: a directory on the way to it may have.
   */
  current({ again = false } = {}): KnownServices | undefined {
    const version = this.#file.version()
    const isKnown = this.#hasRead && version === this.#version
    if (isKnown && !(again && this.#fault !== undefined)) return this.#list
    this.#hasRead = true
    this.#version = version
    const read = this.#file.read()
    if (read.kind === 'read') {
      this.#fault = undefined
      this.#list = { ...read.list, former: formerOf(this.#list, read.list) }
      return this.#list
    }
    if (read.message !== this.#fault) this.#log(read.message)
    this.#fault = read.message
    if (read.kind === 'untrusted') this.#list = undefined
    return this.#list
  }
}

/** Units belong to a manager: those of another one are forgotten. */
function formerOf(before: KnownServices | undefined, now: ServiceList): readonly ConfiguredService[] {
  if (before === undefined || before.manager !== now.manager) return []
  const units = new Set(now.services.map(({ unit }) => unit))
  return [...before.services, ...before.former].filter(({ unit }) => !units.has(unit)).slice(0, maxFormer)
}
