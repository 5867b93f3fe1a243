// Keys of clients and their file, as the command line would write it.
import type { TestContext } from 'node:test'
import { renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { formatKeyFile } from '../../src/clients/keys/key-file.ts'
import { createKey, digestOf } from '../../src/clients/keys/key-format.ts'
import type { KeyRecord, KeySecret } from '../../src/clients/keys/key-record.ts'
import type { ClientTerms } from '../../src/domain.ts'
import { scratchDirectory } from './config-file.ts'

export interface TestKey {
  readonly text: string
  readonly secret: KeySecret
}

/** A secret of the length that the command line gives it. */
export function testKey(more: Partial<KeySecret> = {}, prefix = 'gw_'): TestKey {
  const { text, id } = createKey(prefix, 43)
  return { text, secret: { id, sha256: digestOf(text), createdMs: 0, ...more } }
}

export type TestRecord = Partial<Omit<KeyRecord, 'terms' | 'secrets'>> & {
  readonly keys: readonly TestKey[]
  readonly terms?: Partial<ClientTerms>
}

/** Keys that a gateway with `setup` checks requests against. */
export class KeyFileOnDisk {
  readonly path: string
  generation = 0
  readonly #ids = new Map<string, string>()

  constructor(t: TestContext) {
    this.path = join(scratchDirectory(t), 'keys.json')
  }

  /** For `keys` of a configuration. */
  get setup(): { mode: 'required'; file: string } {
    return { mode: 'required', file: this.path }
  }

  /** Replaces the file as a whole, as a rename does. @returns its generation. */
  write(records: Readonly<Record<string, TestRecord>>): number {
    this.generation += 1
    const keys = Object.entries(records).map(([name, record]) => this.#record(name, record))
    this.writeText(formatKeyFile({ generation: this.generation, keys }))
    return this.generation
  }

  writeText(text: string): void {
    writeFileSync(`${this.path}.new`, text, { mode: 0o600 })
    renameSync(`${this.path}.new`, this.path)
  }

  remove(): void {
    rmSync(this.path)
  }

  #record(name: string, { keys, terms, ...more }: TestRecord): KeyRecord {
    const id = this.#ids.get(name) ?? `k_${String(this.#ids.size + 1).padStart(12, '0')}`
    this.#ids.set(name, id)
    return {
      id,
      name,
      role: 'client',
      secrets: keys.map(({ secret }) => secret),
      terms: { name, models: undefined, budgets: [], ...terms },
      isDisabled: false,
      note: '',
      ...more,
    }
  }
}

export function bearer({ text }: TestKey): { authorization: string } {
  return { authorization: `Bearer ${text}` }
}
