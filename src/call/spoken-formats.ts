// What probes have shown about the formats that providers speak, as calls ask for it. The main thread owns it
// (app/format-discovery.ts).
import type { ProviderDialect } from '../dialects/dialect.ts'

/** A format to ask for: its name, and where a server has it. */
export type AskedFormat = Pick<ProviderDialect, 'name' | 'path'>

/** For formats of which `Provider.speaks` does not know. */
export interface SpokenFormats {
  /** Undefined: unknown, or probed so long ago that it has to be confirmed. */
  current(provider: string, format: string): boolean | undefined
  /**
   * Probes the provider, or confirms what is known of it. Calls that ask at the same time share one probe. Takes some
   * seconds at most. Undefined: the provider's answer was not clear. Never rejects.
   */
  find(provider: string, format: AskedFormat): Promise<boolean | undefined>
  /** A call was refused as if the provider lacked the format: it has to be probed again. */
  doubt(provider: string, format: string): void
}
