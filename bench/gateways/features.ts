// What of ours can be on or off, as lines of its configuration; the key of calls where keys are on.
import { formatKeyFile } from '../../src/clients/keys/key-file.ts'
import { newKeyId, newSecret } from '../../src/clients/keys/key-changes.ts'

/** Absent: as by default, which is on but for keys. */
export interface Features {
  /** Calls come with `benchKey`, and are refused without. */
  readonly keys?: true
  readonly ledger?: false
  readonly metrics?: false
  readonly status?: false
}

const made = newSecret('gw_', 43, Date.now())

/** Of every call where keys are on. */
export const benchKey: string = made.text

/** Members of the configuration, a line each. */
export function featureLines({ keys, ledger, metrics, status }: Features): string {
  return [
    keys === true ? 'keys: { mode: required }\n' : '',
    ledger === false ? 'usage: { enabled: false }\n' : '',
    metrics === false ? 'metrics: { enabled: false }\n' : '',
    status === false ? 'status: { enabled: false }\n' : '',
  ].join('')
}

/** The file `keys.json` with that key, which may do everything. */
export function keyFileText(): string {
  const name = 'bench'
  const record = {
    id: newKeyId(),
    name,
    role: 'client',
    secrets: [made.secret],
    terms: { name, models: undefined, budgets: [] },
    isDisabled: false,
    note: '',
  } as const
  return formatKeyFile({ generation: 1, keys: [record] })
}
