// The signed list of keys that a gateway has taken last, and its generation, in the state directory: after a restart it serves by
// its own copy, and accepts none that is older, whatever the store has by then.
//
// Two files, so that the copy can be removed, which is the emergency stop, without older lists being accepted afterwards.
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { membersOf, parseJson } from '../../bytes/json/parse.ts'
import { keptKeysFile } from '../../clients/keys/signed-keys.ts'
import { fileVersion } from '../../config/watch.ts'
import { StateFile } from '../../platform/state-file.ts'

const newestFile = 'keys.newest'

export interface FoundKeys {
  /** Undefined: there is no copy. */
  readonly text: string | undefined
  /** The latest generation that was kept. 0: none was, or it is lost. */
  readonly newest: number
  /** There is no copy any more, and which generation it was is lost. */
  readonly isNewestLost: boolean
  /** Why a file cannot be read. */
  readonly fault: string | undefined
}

export class KeptKeys {
  /** Of the copy. Undefined: nothing outlives the process. */
  readonly path: string | undefined
  readonly #copy: StateFile | undefined
  readonly #newest: StateFile | undefined
  #isCopyExpected = false
  /** How often the copy was removed by the gateway. */
  #halts = 0
  /** One change of the two files after the other. */
  #changing: Promise<void> = Promise.resolve()

  constructor(stateDirectory: string | undefined) {
    if (stateDirectory === undefined) return
    this.path = join(stateDirectory, keptKeysFile)
    this.#copy = new StateFile(stateDirectory, keptKeysFile, { isSynced: true })
    this.#newest = new StateFile(stateDirectory, newestFile, { isSynced: true })
  }

  load(): FoundKeys {
    const [copy, newest] = [this.#copy?.read(), this.#newest?.read()]
    const generation =
      newest?.kind === 'read' ? Number(membersOf(parseJson(newest.text))['generation']) : undefined
    const isLost = newest?.kind === 'unreadable' || (newest?.kind === 'read' && !isGeneration(generation))
    const fault =
      copy?.kind === 'unreadable'
        ? `${keptKeysFile} ${copy.reason}`
        : isLost
          ? `${newestFile} is damaged`
          : undefined
    this.#isCopyExpected = copy?.kind === 'read'
    return {
      text: copy?.kind === 'read' ? copy.text : undefined,
      newest: isGeneration(generation) ? generation : 0,
      isNewestLost: isLost && copy?.kind === 'absent',
      fault,
    }
  }

  /** Rejects with what the disk reports. */
  keep(text: string, generation: number): Promise<void> {
    const halts = this.#halts
    return this.#inTurn(async () => {
      await this.#copy?.replace(text)
      // A copy of a later generation than this one counts; the other way round, there would be none after a crash.
      await this.#note(generation)
      if (halts === this.#halts) this.#isCopyExpected = this.#copy !== undefined
    })
  }

  /** Whether somebody has removed the copy. */
  isCopyRemoved(): boolean {
    return this.#isCopyExpected && this.path !== undefined && fileVersion(this.path) === undefined
  }

  /**
   * Removes the copy, and one that is being kept, so that a restart begins without a list and accepts none up to this generation.
   * Rejects with what the disk reports.
   */
  halt(newest: number): Promise<void> {
    this.#isCopyExpected = false
    this.#halts += 1
    return this.#inTurn(async () => {
      try {
        // A crash may have come between a first copy and its generation, without which no copy would mean that none ever was.
        await this.#note(newest)
      } finally {
        if (this.path !== undefined) await rm(this.path, { force: true })
      }
    })
  }

  /** Resolves when each change so far is made or has failed. */
  settled(): Promise<void> {
    return this.#changing
  }

  async #note(generation: number): Promise<void> {
    await this.#newest?.replace(`${JSON.stringify({ version: 1, generation })}\n`)
  }

  #inTurn(change: () => Promise<void>): Promise<void> {
    const changed = this.#changing.then(change)
    this.#changing = changed.catch(() => {})
    return changed
  }
}

function isGeneration(value: number | undefined): value is number {
  return Number.isSafeInteger(value) && value! >= 0
}
