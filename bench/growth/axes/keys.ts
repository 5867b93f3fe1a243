// Keys in the key file. Ten of them call, however many there are: what grows is the table that they are looked up in.
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

const calling = 10

export const keys: Axis = {
  name: 'keys',
  title: 'keys, ten of which call',
  shouldBeFlat: true,
  note: 'the row without any shows what checking a key costs',
  points: ({ keys }) => [pointOf(calling), withoutKeys, pointOf(keys)],
}

const withoutKeys: Point = {
  size: 0,
  setup: { config: growthConfig() },
  calls: plainCalls,
  isAside: true,
}

function pointOf(size: number): Point {
  return { size, ...withKeys(size, calling) }
}

/**
 * A gateway that requires one of so many keys.
 * @param count in the file @param calling so many of them call, in turn.
 */
export function withKeys(count: number, calling: number): Pick<Point, 'setup' | 'calls'> {
  const made = Array.from({ length: count }, () => createKey('gw_', secretLength.usual))
  const texts = made.slice(0, calling).map(({ text }) => text)
  return {
    setup: {
      key: texts[0]!,
      config: growthConfig({ more: { keys: { mode: 'required' } } }),
      prepare(directory) {
        const file = { generation: 1, keys: made.map(recordOf) }
        writeFileSync(join(directory, 'keys.json'), formatKeyFile(file), { mode: 0o600 })
      },
    },
    calls: (instance) => ({ ...plainCalls(instance), keys: texts }),
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
