// Credentials that `credential set` has stored: only the service receives them, so that no other command finds their values.
import { listCredentials } from '../systemd/credentials.ts'
import { servicePaths } from '../systemd/scope.ts'

/**
 * Names of the credentials that a service of this user, or of the system, receives. Empty where the process has
 * credentials of its own, because then it is the service, and in stores that this user may not read.
 */
export function storedCredentialNames(env: NodeJS.ProcessEnv): ReadonlySet<string> {
  if ((env['CREDENTIALS_DIRECTORY'] ?? '') !== '') return new Set()
  const stores = (['user', 'system'] as const).map((scope) => servicePaths(scope, env).credentialsDirectory)
  return new Set(stores.flatMap((directory) => namesIn(directory)))
}

function namesIn(directory: string): string[] {
  try {
    return listCredentials(directory).map(({ name }) => name)
  } catch {
    return []
  }
}
