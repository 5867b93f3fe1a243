// Keys in the key file, all of which are used in turn. One key against none is what a key costs; more must not cost more.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { formatKeyFile } from '../../../src/clients/keys/key-file.ts'
import {
  createKey,
  digestOf,
  idLength,
  randomBase62,
  secretLength,
} from '../../../src/clients/keys/key-format.ts'
import type { KeyRecord } from '../../../src/clients/keys/key-record.ts'
import { type Axis, growthConfig, plainCalls, type Point } from '../axis.ts'

export const keys: Axis = {
  name: 'keys',
  title: 'keys',
  shouldBeFlat: true,
  note: 'from one key on: the row without any shows what checking a key costs',
  points: ({ keys }) => [pointOf(1), { ...pointOf(0), isAside: true }, pointOf(keys)],
}

function pointOf(size: number): Point {
  if (size === 0) return { size, setup: { config: growthConfig() }, calls: plainCalls }
  const made = Array.from({ length: size }, () => createKey('gw_', secretLength.usual))
  return {
    size,
    setup: {
      key: made[0]!.text,
      config: growthConfig({ more: { keys: { mode: 'required' } } }),
      prepare(directory) {
        const file = { generation: 1, keys: made.map(recordOf) }
        writeFileSync(join(directory, 'keys.json'), formatKeyFile(file), { mode: 0o600 })
      },
    },
    calls: (instance) => ({ ...plainCalls(instance), keys: made.map(({ text }) => text) }),
  }
}

function recordOf({ text, id }: { text: string; id: string }, index: number): KeyRecord {
  const name = `key-${index}`
  return {
    id: `k_${randomBase62(idLength)}`,
    name,
    role: 'client',
    secrets: [{ id, sha256: digestOf(text), createdMs: Date.now() }],
    terms: { name, models: undefined, budgets: [] },
    isDisabled: false,
    note: '',
  }
}
