// Where the ledger is that a command is about.
import { join } from 'node:path'
import { ledgerFileName } from '../ledger/ledger-name.ts'
import type { ServicePaths } from '../systemd/scope.ts'
import { stateDirectoryOf } from './state-directory.ts'

export interface LedgerPlace {
  /** As named on the command line. */
  readonly file: string | undefined
  readonly paths: ServicePaths
}

export interface FoundLedger {
  readonly path: string
  /** For people: `of the user service`. */
  readonly owner: string
}

/** Undefined: there is no state directory. */
export function findLedger({ file, paths }: LedgerPlace, env: NodeJS.ProcessEnv): FoundLedger | undefined {
  if (file !== undefined) return { path: file, owner: 'named on the command line' }
  const state = stateDirectoryOf(undefined, paths, env)
  return state === undefined ? undefined : { path: join(state.path, ledgerFileName), owner: state.owner }
}
