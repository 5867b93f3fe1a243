// What probes of providers have shown about the formats that they speak.
import type { HttpProvider } from '../config/provider-types.ts'

/** What a provider has shown. */
export interface FormatFinding {
  /** Of the server (`serverOf`): another one under the same name is probed again. */
  readonly address: string
  /** Undefined: its kind reports none. */
  readonly version: string | undefined
  /** Milliseconds since 1970. */
  readonly foundAtMs: number
  /** Format → whether it is spoken. */
  readonly formats: Readonly<Record<string, boolean>>
}

/** Of the providers that have shown something. */
export type FormatFindings = ReadonlyMap<string, FormatFinding>

/** What a finding is about, whatever the name of the provider. */
export function serverOf(config: Pick<HttpProvider, 'kind' | 'origin' | 'basePath' | 'query'>): string {
  const { kind, origin, basePath, query = '' } = config
  return `${kind} ${origin}${basePath}${query}`
}
