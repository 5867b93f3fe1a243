// Whether the running gateway knows what was spent of budgets. If not, it refuses calls that have one.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { budgetsFileNames, hasReadableCopy } from '../../admission/budgets-file.ts'
import type { StateDirectory } from '../state-directory.ts'
import type { Finding } from './finding.ts'

const subject = 'budgets'

/**
 * @param isRunning a gateway writes the files soon after its start wherever it knows what was spent.
 * @returns nothing where budgets were not in use, or no gateway runs: then the ledger may have what the files lack.
 */
export async function examineBudgets(
  { path }: Pick<StateDirectory, 'path'>,
  { isRunning }: { readonly isRunning: boolean },
): Promise<Finding[]> {
  if (!isRunning || !existsSync(join(path, budgetsFileNames.mark))) return []
  if (await hasReadableCopy(path))
    return [{ subject, state: 'ok', detail: join(path, budgetsFileNames.file) }]
  const detail = `what was spent is not known, so that calls with a budget are refused: ${path} has no ${budgetsFileNames.file} that can be read`
  const fix =
    'put the file or the ledger back and restart; or stop the gateway, run llm-gateway usage repair --accept-loss, and start it'
  return [{ subject, state: 'fail', detail, fix }]
}
