// What a server on demand is asked for to see whether it takes calls.
import { defaults } from './defaults.ts'
import type { HttpProvider } from './provider-types.ts'

/** As paths of health checks: below the base URL, or below the server's root with a second slash. */
export function readyPathOf({ kind, service }: Pick<HttpProvider, 'kind' | 'service'>): string {
  return service?.readyPath === undefined ? defaults.healthPaths[kind] : `/${service.readyPath}`
}
