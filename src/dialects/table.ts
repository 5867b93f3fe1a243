// The wire formats for clients, sorted by path, and the translators from them to providers' formats.
import type { ClientDialect, ProviderDialect } from './dialect.ts'
import { openAiDialects } from './openai/formats.ts'
import { passTo } from './pass.ts'
import type { Translator } from './translator.ts'

export const clientDialects: readonly ClientDialect[] = openAiDialects

const translators: ReadonlyMap<ClientDialect, ReadonlyMap<ProviderDialect, Translator>> = new Map(
  clientDialects.map((client) => [client, new Map([[client.native, passTo(client.native)]])]),
)

/** The translator between the two; undefined if there is none. */
export function translatorOf(client: ClientDialect, provider: ProviderDialect): Translator | undefined {
  return translators.get(client)?.get(provider)
}
