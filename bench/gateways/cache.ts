// Where the bench keeps what it downloads and builds: the user's cache, never the repository.
import { homedir } from 'node:os'
import { join } from 'node:path'

export function cacheDirectory(env: NodeJS.ProcessEnv = process.env): string {
  const base = env['XDG_CACHE_HOME']
  // Relative paths in XDG variables are to be ignored (XDG Base Directory Specification).
  return join(base?.startsWith('/') === true ? base : join(homedir(), '.cache'), 'llm-gateway-bench')
}
