// The section `notify` of a file whose other sections have problems: what reports that the gateway has failed must not fail for
// the same reason.
import { notifyProblems, notifyReferences, notifySecretProblems } from './check-notify.ts'
import { readConfigFile } from './config-file.ts'
import { withHome } from './environment.ts'
import { openStored, pruned } from './load.ts'
import { indexProblems } from './problems.ts'
import type { RawConfig, RawSecret } from './raw.ts'
import { resolveNotify } from './resolve-notify.ts'
import { findSecret } from './secrets.ts'
import { type Accounts, systemAccounts } from '../platform/ownership.ts'
import type { Secret } from './secret.ts'
import type { NotifyConfig } from './observe-types.ts'
import { violations } from './validate.ts'

/** Undefined: the section itself has problems, or the file is no YAML. Sinks whose secrets are not here are left out. */
export async function openNotify(
  file: string,
  env: NodeJS.ProcessEnv,
  accounts: Accounts = systemAccounts(),
): Promise<{ readonly raw: Pick<RawConfig, 'notify'>; readonly notify: NotifyConfig } | undefined> {
  const read = readConfigFile(file, env, accounts)
  if (read.kind !== 'read') return undefined
  const { document } = read
  const found = [...document.problems, ...violations(document.value, document.problems)]
  if (found.some(({ path }) => path[0] === 'notify')) return undefined
  const { notify } = withHome(pruned(document.value, found), env)
  const raw: RawConfig = notify === undefined ? {} : { notify }
  const sources = { env, accounts }
  const stored = await openStored(file, document, sources)
  const secrets = new Map<RawSecret, Secret>()
  for (const [, reference] of notifyReferences(raw)) {
    const secret = findSecret(reference, { ...sources, stored })
    if (secret.kind === 'found') secrets.set(reference, secret.secret)
  }
  const { hasProblem } = indexProblems(found)
  const faults = [...notifyProblems(raw, hasProblem), ...notifySecretProblems(raw, secrets)]
  return faults.length > 0 ? undefined : { raw, notify: resolveNotify(raw.notify, secrets) }
}
